"""The forward pass of llama, qwen2 and qwen3 decoders in numpy float64.

It is the independent reference that dacapo's results are compared with: written from the published
architectures, slow, and sharing nothing with the Rust code. Weights come from `weights_gguf.py`
(PyPI `gguf` dequantises them) or `weights_hf.py` (Hugging Face folders).

Shapes: T new tokens, H query heads, K key heads (H a multiple of K), D head width, W model width.
Matrices are [out, in], as both file formats store them.
"""

from dataclasses import dataclass, field

import numpy as np

# Rows of the score matrix held at once; bounds memory at long contexts.
QUERY_CHUNK = 512


@dataclass
class Config:
    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    epsilon: float
    rope_base: float
    # How many leading elements of a head are rotated.
    rope_width: int
    # True: pairs (0, 1), (2, 3), ...; False: pairs (0, D/2), (1, D/2 + 1), ...
    rope_adjacent: bool
    # Positions are divided by this (linear scaling).
    rope_stretch: float = 1.0
    # One divisor per pair of a head (llama 3's scaling as GGUF stores it), or None.
    rope_factors: np.ndarray | None = None
    context: int = 0


@dataclass
class Layer:
    """Weights of one layer; biases and the q/k norms are None where the model has none."""

    attention_norm: np.ndarray
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    o: np.ndarray
    feed_forward_norm: np.ndarray
    gate: np.ndarray
    up: np.ndarray
    down: np.ndarray
    q_bias: np.ndarray | None = None
    k_bias: np.ndarray | None = None
    v_bias: np.ndarray | None = None
    o_bias: np.ndarray | None = None
    q_norm: np.ndarray | None = None
    k_norm: np.ndarray | None = None


@dataclass
class Weights:
    embedding: np.ndarray
    layers: list
    final_norm: np.ndarray
    # [vocabulary, W]; the embedding itself where the model ties them.
    output: np.ndarray


@dataclass
class Cache:
    """Keys (rotated) and values of the tokens so far: one [tokens, K, D] array a layer."""

    keys: list = field(default_factory=list)
    values: list = field(default_factory=list)

    @property
    def length(self):
        return len(self.keys[0]) if self.keys else 0


def llama3_factors(base, width, factor, low_freq_factor, high_freq_factor, original_context):
    """Divisors of the rotation frequencies, as Meta published them with Llama 3.1.

    Wavelengths below original_context / high_freq_factor stay, those above
    original_context / low_freq_factor are stretched by `factor`, between them a ramp.
    """
    frequencies = base ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    wavelengths = 2 * np.pi / frequencies
    ramp = (original_context / wavelengths - low_freq_factor) / (high_freq_factor - low_freq_factor)
    kept = np.clip(ramp, 0.0, 1.0)
    return 1.0 / ((1.0 - kept) / factor + kept)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def rotate(x, positions, config):
    """Rotary position embedding of x [T, heads, D]."""
    width = config.rope_width
    frequencies = config.rope_base ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    if config.rope_factors is not None:
        frequencies = frequencies / config.rope_factors
    angles = positions[:, None] / config.rope_stretch * frequencies[None, :]
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    out = x.copy()
    if config.rope_adjacent:
        first, second = slice(0, width, 2), slice(1, width, 2)
    else:
        first, second = slice(0, width // 2), slice(width // 2, width)
    a, b = x[..., first], x[..., second]
    out[..., first] = a * cos - b * sin
    out[..., second] = a * sin + b * cos
    return out


def attention(q, keys, values, past):
    """Causal grouped-query attention; row t of q [T, H, D] sees keys 0..=past + t."""
    tokens, heads, width = q.shape
    group = heads // keys.shape[1]
    out = np.empty_like(q)
    columns = np.arange(len(keys))
    for start in range(0, tokens, QUERY_CHUNK):
        rows = slice(start, min(start + QUERY_CHUNK, tokens))
        visible = past + rows.stop
        hidden = columns[None, :visible] > (past + np.arange(rows.start, rows.stop))[:, None]
        for head in range(heads):
            scores = q[rows, head] @ keys[:visible, head // group].T / np.sqrt(width)
            scores[hidden] = -np.inf
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            out[rows, head] = scores @ values[:visible, head // group]
    return out


def project(x, weight, bias):
    y = x @ weight.T
    return y if bias is None else y + bias


def silu(x):
    return x / (1.0 + np.exp(-x))


def hidden_states(config, weights, ids, cache=None):
    """[T, W]: what the output matrix multiplies, for the tokens `ids`, which follow `cache`'s.

    A given cache is extended in place.
    """
    cache = Cache() if cache is None else cache
    past = cache.length
    ids = np.asarray(ids)
    tokens = len(ids)
    positions = np.arange(past, past + tokens, dtype=np.float64)
    x = weights.embedding[ids].astype(weights.final_norm.dtype)
    for index, layer in enumerate(weights.layers):
        y = rms_norm(x, layer.attention_norm, config.epsilon)
        q = project(y, layer.q, layer.q_bias).reshape(tokens, config.heads, config.head_width)
        k = project(y, layer.k, layer.k_bias).reshape(tokens, config.kv_heads, config.head_width)
        v = project(y, layer.v, layer.v_bias).reshape(tokens, config.kv_heads, config.head_width)
        if layer.q_norm is not None:
            q = rms_norm(q, layer.q_norm, config.epsilon)
            k = rms_norm(k, layer.k_norm, config.epsilon)
        q, k = rotate(q, positions, config), rotate(k, positions, config)
        if past == 0:
            cache.keys.append(k)
            cache.values.append(v)
        else:
            cache.keys[index] = np.concatenate([cache.keys[index], k])
            cache.values[index] = np.concatenate([cache.values[index], v])
        mixed = attention(q, cache.keys[index], cache.values[index], past)
        x = x + project(mixed.reshape(tokens, -1), layer.o, layer.o_bias)
        y = rms_norm(x, layer.feed_forward_norm, config.epsilon)
        x = x + (silu(y @ layer.gate.T) * (y @ layer.up.T)) @ layer.down.T
    return rms_norm(x, weights.final_norm, config.epsilon)


def forward(config, weights, ids, cache=None):
    """Logits [T, vocabulary] of the tokens `ids`, which follow those in `cache`."""
    return hidden_states(config, weights, ids, cache) @ weights.output.T


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
