"""A decoder's weights out of a GGUF file, dequantised to float64 by PyPI `gguf`."""

import gguf
import numpy as np

from decoder import Config, Layer, Weights

# llama.cpp's converter permutes the rows of q and k for llama, so that pairs lie side by side.
ADJACENT = {"llama": True, "qwen2": False, "qwen3": False}


def read(path):
    """(Config, Weights) of the file."""
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def value(key, default=None):
        field = reader.get_field(key)
        if field is None and default is None:
            raise ValueError(f"{path} has no {key}")
        return default if field is None else field.contents()

    def tensor(name, required=True):
        if name not in tensors:
            if required:
                raise ValueError(f"{path} has no tensor {name}")
            return None
        stored = tensors[name]
        shape = tuple(int(n) for n in reversed(stored.shape))
        return gguf.dequantize(stored.data, stored.tensor_type).reshape(shape).astype(np.float64)

    architecture = value("general.architecture")
    if architecture not in ADJACENT:
        raise ValueError(f"{path}: architecture {architecture}, known are {sorted(ADJACENT)}")
    prefix = architecture + "."
    width, heads = value(prefix + "embedding_length"), value(prefix + "attention.head_count")
    head_width = value(prefix + "attention.key_length", width // heads)
    scaling = value(prefix + "rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise ValueError(f"{path}: rope scaling {scaling} is not known here")
    config = Config(
        architecture=architecture,
        layers=value(prefix + "block_count"),
        width=width,
        heads=heads,
        kv_heads=value(prefix + "attention.head_count_kv", heads),
        head_width=head_width,
        epsilon=value(prefix + "attention.layer_norm_rms_epsilon"),
        rope_base=value(prefix + "rope.freq_base", 10000.0),
        rope_width=value(prefix + "rope.dimension_count", head_width),
        rope_adjacent=ADJACENT[architecture],
        rope_stretch=value(prefix + "rope.scaling.factor", 1.0) if scaling == "linear" else 1.0,
        rope_factors=tensor("rope_freqs.weight", required=False),
        context=value(prefix + "context_length"),
    )

    def layer(index):
        def of(name, required=True):
            return tensor(f"blk.{index}.{name}", required)

        return Layer(
            attention_norm=of("attn_norm.weight"),
            q=of("attn_q.weight"),
            k=of("attn_k.weight"),
            v=of("attn_v.weight"),
            o=of("attn_output.weight"),
            feed_forward_norm=of("ffn_norm.weight"),
            gate=of("ffn_gate.weight"),
            up=of("ffn_up.weight"),
            down=of("ffn_down.weight"),
            q_bias=of("attn_q.bias", False),
            k_bias=of("attn_k.bias", False),
            v_bias=of("attn_v.bias", False),
            o_bias=of("attn_output.bias", False),
            q_norm=of("attn_q_norm.weight", False),
            k_norm=of("attn_k_norm.weight", False),
        )

    embedding = tensor("token_embd.weight")
    output = tensor("output.weight", required=False)
    return config, Weights(
        embedding=embedding,
        layers=[layer(index) for index in range(config.layers)],
        final_norm=tensor("output_norm.weight"),
        output=embedding if output is None else output,
    )
