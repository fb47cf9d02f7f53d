"""Write a Hugging Face folder's tensors as a GGUF file through PyPI `gguf`.

Only for the tiny fixtures: it knows the three architectures and a tokenizer that `tiny_tokenizers`
makes, nothing else.
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

import k_quants

NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def gguf_name(name):
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in fixed:
        return fixed[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}"


def pairs_side_by_side(matrix, heads):
    """Reorder a q or k matrix (or bias) from split-half pairs to adjacent ones, head by head."""
    rows = len(matrix)
    split = matrix.reshape(heads, 2, rows // heads // 2, -1)
    return split.swapaxes(1, 2).reshape(matrix.shape)


def quantise(values, kind):
    if kind == Type.F32:
        return values.astype(np.float32)
    if kind == Type.F16:
        return values.astype(np.float16)
    own = {Type.Q4_K: k_quants.q4_k, Type.Q6_K: k_quants.q6_k}
    if kind in own:
        return own[kind](values)
    return gguf.quants.quantize(values.astype(np.float32), kind)


def write(path, name, config, tensors, tokenizer, choose_type):
    """`config` as `weights_hf` reads it; `choose_type(gguf name)` for matrices, the rest is F32."""
    writer = gguf.GGUFWriter(path, config.architecture)
    writer.add_name(name)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(tensors["model.layers.0.mlp.gate_proj.weight"].shape[0])
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.epsilon)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_rope_dimension_count(config.head_width)
    if config.head_width * config.heads != config.width:
        writer.add_key_length(config.head_width)
        writer.add_value_length(config.head_width)
    if config.rope_stretch != 1.0:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_stretch)
    writer.add_vocab_size(len(tensors["model.embed_tokens.weight"]))
    tokenizer(writer)
    if config.rope_factors is not None:
        writer.add_tensor("rope_freqs.weight", config.rope_factors.astype(np.float32))
    for source, values in tensors.items():
        target = gguf_name(source)
        if config.architecture == "llama" and ".self_attn.q_proj." in source:
            values = pairs_side_by_side(values, config.heads)
        if config.architecture == "llama" and ".self_attn.k_proj." in source:
            values = pairs_side_by_side(values, config.kv_heads)
        kind = choose_type(target) if values.ndim == 2 else Type.F32
        data = quantise(values, kind)
        if kind in (Type.F32, Type.F16):
            writer.add_tensor(target, data)
        else:
            writer.add_tensor(target, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
