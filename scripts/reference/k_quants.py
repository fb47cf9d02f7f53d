"""Write Q4_K and Q6_K blocks, which PyPI `gguf` reads but does not write.

Plain rounding, without llama.cpp's search for better scales: the fixtures only need valid blocks
whose content `gguf.dequantize` defines. Layouts: ggml-common.h, `block_q4_K` and `block_q6_K`.
"""

import numpy as np

BLOCK = 256


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def _f16_bytes(x):
    return x.astype("<f2")[:, None].view(np.uint8)


def q4_k(x):
    """[rows, n] floats to [rows, n / 256 * 144] bytes."""
    rows = len(x)
    x = np.asarray(x, np.float64).reshape(-1, 8, 32)
    low = np.maximum(-x.min(axis=2), 0.0)
    scale = (x.max(axis=2) + low) / 15
    d, low_d = (v.max(axis=1) / 63 for v in (scale, low))
    d, low_d = (v.astype(np.float16).astype(np.float64) for v in (d, low_d))
    scales = np.clip(np.rint(_divide(scale, d[:, None])), 0, 63).astype(np.uint8)
    lows = np.clip(np.rint(_divide(low, low_d[:, None])), 0, 63).astype(np.uint8)
    step, offset = d[:, None] * scales, low_d[:, None] * lows
    q = np.clip(np.rint(_divide(x + offset[..., None], step[..., None])), 0, 15).astype(np.uint8)
    packed = np.concatenate(
        [
            scales[:, :4] | (scales[:, 4:] >> 4) << 6,
            lows[:, :4] | (lows[:, 4:] >> 4) << 6,
            (scales[:, 4:] & 15) | (lows[:, 4:] & 15) << 4,
        ],
        axis=1,
    )
    nibbles = (q[:, 0::2] | q[:, 1::2] << 4).reshape(-1, 128)
    blocks = np.concatenate([_f16_bytes(d), _f16_bytes(low_d), packed, nibbles], axis=1)
    return blocks.reshape(rows, -1)


def q6_k(x):
    """[rows, n] floats to [rows, n / 256 * 210] bytes."""
    rows = len(x)
    x = np.asarray(x, np.float64).reshape(-1, 16, 16)
    # The value of largest magnitude maps to -32, as the code range is -32..31.
    extreme = np.take_along_axis(x, np.abs(x).argmax(axis=2)[..., None], axis=2)[..., 0]
    scale = extreme / -32
    d = np.abs(scale).max(axis=1) / 127
    d = d.astype(np.float16).astype(np.float64)
    scales = np.clip(np.rint(_divide(scale, d[:, None])), -128, 127).astype(np.int8)
    step = d[:, None] * scales
    q = np.clip(np.rint(_divide(x, step[..., None])), -32, 31) + 32
    # Each half of 128 codes is four runs of 32.
    q = q.astype(np.uint8).reshape(-1, 2, 4, 32)
    low, high = q & 15, q >> 4
    ql = np.concatenate(
        [low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2
    )
    qh = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    blocks = np.concatenate(
        [ql.reshape(-1, 128), qh.reshape(-1, 64), scales.view(np.uint8), _f16_bytes(d)], axis=1
    )
    return blocks.reshape(rows, -1)
