"""Make the tiny random models of every architecture, and their logits, with `transformers`.

    python3 tiny_models.py OUT

writes one Hugging Face folder per model (`config.json`, one or several `.safetensors`) and, beside
it, `NAME.json` with the token ids and `NAME.f64` with transformers' own logits (raw little-endian
float64, [tokens, vocabulary], every position). Made with torch 2.11.0 and transformers 5.17.0; the
weights come from numpy's PCG64 and do not depend on either.

The weights are scaled so that every layer matters and the best logit mostly stands clear of the
second, while rounding is not blown up: `tiny_fixtures.py` prints how far wrong rotations, head
mappings and missing biases move the logits.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 288
PROMPT_TOKENS = 64
DECODE_TOKENS = 16

COMMON = dict(
    vocab_size=VOCABULARY,
    num_hidden_layers=2,
    intermediate_size=64,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)

# name: model class, configuration class, settings, dtype of the file, largest shard, classic config
MODELS = {
    # Llama 1 and 2: as many key as query heads, an output matrix of its own.
    "llama-mha": (
        LlamaForCausalLM, LlamaConfig,
        dict(hidden_size=64, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
             rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e4),
             tie_word_embeddings=False),
        torch.float16, None, True,
    ),
    # Three query heads to a key head, tied embeddings, linearly stretched positions, two shards.
    "llama-gqa": (
        LlamaForCausalLM, LlamaConfig,
        dict(hidden_size=96, num_attention_heads=3, num_key_value_heads=1, head_dim=32,
             rms_norm_eps=1e-5,
             rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=1e4),
             tie_word_embeddings=True),
        torch.bfloat16, "120KB", True,
    ),
    # Llama 3.1 and later: frequency-dependent scaling. 64 original positions put the ramp where
    # 80 tokens reach all three of its regions. Heads are wider than width / heads.
    "llama3": (
        LlamaForCausalLM, LlamaConfig,
        dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
             rms_norm_eps=1e-5,
             rope_parameters=dict(rope_type="llama3", rope_theta=5e5, factor=8.0,
                                  low_freq_factor=1.0, high_freq_factor=4.0,
                                  original_max_position_embeddings=64),
             tie_word_embeddings=True),
        torch.bfloat16, None, False,
    ),
    "qwen2": (
        Qwen2ForCausalLM, Qwen2Config,
        dict(hidden_size=64, num_attention_heads=2, num_key_value_heads=1,
             rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6),
             tie_word_embeddings=True, use_sliding_window=False),
        torch.float32, None, True,
    ),
    "qwen3": (
        Qwen3ForCausalLM, Qwen3Config,
        dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
             rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6),
             tie_word_embeddings=False, use_sliding_window=False, attention_bias=False),
        torch.bfloat16, None, False,
    ),
}  # fmt: skip


def random_weights(model, seed):
    """Fill every parameter in a fixed order from one generator."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            shape = tuple(parameter.shape)
            if name.endswith("norm.weight"):
                values = random.uniform(0.5, 1.5, shape)
            elif name.endswith(".bias"):
                values = random.normal(0.0, 0.5, shape)
            elif "embed_tokens" in name or "lm_head" in name:
                values = random.normal(0.0, 0.5, shape)
            else:
                # Keeps the spread of its input. Larger ones make attention so sharp that the 8-bit
                # activations of a correct implementation move the logits (seen with llama.cpp).
                values = random.normal(0.0, 0.9 / np.sqrt(shape[-1]), shape)
            parameter.copy_(torch.from_numpy(values))


def classic_config(path):
    """Rewrite config.json the way that transformers before version 5 wrote it."""
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


def main():
    out = Path(sys.argv[1])
    for name, (model_class, config_class, settings, dtype, shard, classic) in MODELS.items():
        seed = zlib.crc32(name.encode())
        model = model_class(config_class(**COMMON, **settings)).double()
        random_weights(model, seed)
        model = model.to(dtype)
        folder = out / name
        model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)

        loaded = model_class.from_pretrained(
            folder, dtype=torch.float64, attn_implementation="sdpa"
        ).eval()
        for (left, a), (right, b) in zip(model.named_parameters(), loaded.named_parameters()):
            assert left == right and torch.equal(a.double(), b), left
        ids = np.random.default_rng(seed + 1).integers(0, VOCABULARY, PROMPT_TOKENS + DECODE_TOKENS)
        with torch.no_grad():
            logits = loaded(torch.from_numpy(ids)[None]).logits[0]
        assert logits.dtype == torch.float64
        logits.numpy().astype("<f8").tofile(out / f"{name}.f64")
        if classic:
            classic_config(folder / "config.json")
        (out / f"{name}.json").write_text(
            json.dumps(
                dict(prompt=ids[:PROMPT_TOKENS].tolist(), decode=ids[PROMPT_TOKENS:].tolist())
            )
        )
        best, second = logits.topk(2, dim=-1).values.unbind(-1)
        margin = (best - second).numpy()
        print(
            f"{name}: {sum(p.numel() for p in loaded.parameters()):,} parameters, "
            f"spread of logits {logits.std():.2f}, margins min {margin.min():.3f} "
            f"median {np.median(margin):.3f}, {len(set(logits.argmax(-1).tolist()))} winners, "
            f"own token wins {int((logits.argmax(-1).numpy() == ids).sum())} times"
        )


if __name__ == "__main__":
    main()
