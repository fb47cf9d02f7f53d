"""A decoder's weights out of a Hugging Face folder: config.json and safetensors, one or many."""

import json
from pathlib import Path

import numpy as np

from decoder import Config, Layer, Weights, llama3_factors

ARCHITECTURES = ("llama", "qwen2", "qwen3")


def read_safetensors(path):
    """{name: float64 array} of one file; the format is a length, a JSON header and raw bytes."""
    data = path.read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:header_end])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        raw = data[header_end + start : header_end + end]
        if entry["dtype"] == "BF16":
            # A bfloat16 is the upper half of a float32.
            values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(raw, {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(np.float64)
    return tensors


def read_tensors(folder):
    tensors = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        tensors.update(read_safetensors(path))
    return tensors


def read_rope(config):
    """(base, kind, parameters) from either place that transformers has kept them."""
    if "rope_parameters" in config:  # version 5
        parameters = dict(config["rope_parameters"])
        base = parameters.pop("rope_theta")
    else:
        parameters = dict(config.get("rope_scaling") or {})
        base = config.get("rope_theta", 10000.0)
    kind = parameters.pop("rope_type", None) or parameters.pop("type", "default")
    return base, kind, parameters


def read(folder):
    """(Config, Weights) of the folder."""
    source = json.loads((Path(folder) / "config.json").read_text())
    architecture = source["model_type"]
    if architecture not in ARCHITECTURES:
        raise ValueError(f"{folder}: architecture {architecture}, known are {ARCHITECTURES}")
    if source.get("use_sliding_window"):
        raise ValueError(f"{folder}: sliding windows are not known here")
    width, heads = source["hidden_size"], source["num_attention_heads"]
    head_width = source.get("head_dim") or width // heads
    base, kind, parameters = read_rope(source)
    stretch, factors = 1.0, None
    if kind == "linear":
        stretch = parameters["factor"]
    elif kind == "llama3":
        factors = llama3_factors(
            base,
            head_width,
            parameters["factor"],
            parameters["low_freq_factor"],
            parameters["high_freq_factor"],
            parameters["original_max_position_embeddings"],
        )
    elif kind != "default":
        raise ValueError(f"{folder}: rope scaling {kind} is not known here")
    config = Config(
        architecture=architecture,
        layers=source["num_hidden_layers"],
        width=width,
        heads=heads,
        kv_heads=source.get("num_key_value_heads") or heads,
        head_width=head_width,
        epsilon=source["rms_norm_eps"],
        rope_base=base,
        rope_width=head_width,
        rope_adjacent=False,
        rope_stretch=stretch,
        rope_factors=factors,
        context=source["max_position_embeddings"],
    )
    tensors = read_tensors(folder)

    def layer(index):
        def of(name):
            return tensors[f"model.layers.{index}.{name}"]

        def maybe(name):
            return tensors.get(f"model.layers.{index}.{name}")

        return Layer(
            attention_norm=of("input_layernorm.weight"),
            q=of("self_attn.q_proj.weight"),
            k=of("self_attn.k_proj.weight"),
            v=of("self_attn.v_proj.weight"),
            o=of("self_attn.o_proj.weight"),
            feed_forward_norm=of("post_attention_layernorm.weight"),
            gate=of("mlp.gate_proj.weight"),
            up=of("mlp.up_proj.weight"),
            down=of("mlp.down_proj.weight"),
            q_bias=maybe("self_attn.q_proj.bias"),
            k_bias=maybe("self_attn.k_proj.bias"),
            v_bias=maybe("self_attn.v_proj.bias"),
            o_bias=maybe("self_attn.o_proj.bias"),
            q_norm=maybe("self_attn.q_norm.weight"),
            k_norm=maybe("self_attn.k_norm.weight"),
        )

    embedding = tensors["model.embed_tokens.weight"]
    tied = source.get("tie_word_embeddings", False)
    return config, Weights(
        embedding=embedding,
        layers=[layer(index) for index in range(config.layers)],
        final_norm=tensors["model.norm.weight"],
        output=embedding if tied else tensors["lm_head.weight"],
    )
