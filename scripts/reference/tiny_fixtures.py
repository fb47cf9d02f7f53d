#!/usr/bin/env python3
"""Make dacapo-llm/tests/data/tiny out of what `tiny_models.py` wrote.

    python3 scripts/reference/tiny_fixtures.py FOLDER_OF_TINY_MODELS

Copies the Hugging Face folders, converts each to GGUF in several types, and writes for every model
file the reference's logits. A folder's logits are transformers' own, and the numpy reference has to
agree with them; a GGUF's logits are the numpy reference's over the file's dequantised weights.

Needs PyPI gguf 0.19.0, numpy, tokenizers.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type

import convert
import decoder
import tiny_tokenizers
import weights_gguf
import weights_hf

DATA = Path(__file__).resolve().parents[2] / "dacapo-llm" / "tests" / "data" / "tiny"
PROMPT_TOKENS = 64
# Largest difference that transformers' float32 norms and rotation angles explain.
AGREEMENT = 2e-5


def all_of(kind):
    return lambda name: kind


def q5(name):
    return Type.Q5_1 if "ffn_" in name else Type.Q5_0


def f16_f32(name):
    return Type.F32 if "ffn_" in name else Type.F16


def bf16_q8(name):
    return Type.Q8_0 if "ffn_" in name else Type.BF16


def k_mix(name):
    high = ("token_embd", "attn_v", "ffn_down")
    return Type.Q6_K if any(part in name for part in high) else Type.Q4_K


GGUFS = {
    "llama-mha": {"q5_0-q5_1": q5},
    "llama-gqa": {"q4_1": all_of(Type.Q4_1)},
    "llama3": {"q4_0": all_of(Type.Q4_0)},
    "qwen2": {"f16-f32": f16_f32, "q4_0": all_of(Type.Q4_0)},
    "qwen3": {"bf16-q8_0": bf16_q8, "q4_1": all_of(Type.Q4_1)},
}


def index_entry(path, source, ids, logits):
    """Write the logits of the last prompt token and of every later one; describe the file."""
    order = np.sort(logits, axis=-1)
    name = path.name.removesuffix(".gguf")
    stored = f"logits/{path.name}.f32"
    (DATA / "logits").mkdir(exist_ok=True)
    logits[PROMPT_TOKENS - 1 :].astype("<f4").tofile(DATA / stored)
    return {
        "name": name,
        "model": path.name,
        "source": source,
        "vocabulary": logits.shape[1],
        "prompt": [int(i) for i in ids[:PROMPT_TOKENS]],
        "decode": [int(i) for i in ids[PROMPT_TOKENS:]],
        "top1": logits.argmax(axis=-1).tolist(),
        "margin": [float(f"{m:.6g}") for m in order[:, -1] - order[:, -2]],
        "logits": stored,
        "first_logits_position": PROMPT_TOKENS - 1,
    }


def cosine(a, b):
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def sensitivity(config, weights, ids, right):
    """Median cosine of the logits under typical mistakes: a test at 0.9995 has to see each."""
    layers = weights.layers
    mistakes = {
        "pairs": (replace(config, rope_adjacent=not config.rope_adjacent), layers),
        "heads": (config, [replace(a, q=np.roll(a.q, config.head_width, axis=0)) for a in layers]),
    }
    if config.rope_stretch != 1.0:
        mistakes["no stretch"] = (replace(config, rope_stretch=1.0), layers)
    if config.rope_factors is not None:
        mistakes["no factors"] = (replace(config, rope_factors=None), layers)
    if layers[0].q_bias is not None:
        bare = [replace(a, q_bias=None, k_bias=None, v_bias=None) for a in layers]
        mistakes["no bias"] = (config, bare)
    if layers[0].q_norm is not None:
        mistakes["no q/k norm"] = (config, [replace(a, q_norm=None) for a in layers])
    found = {}
    for name, (wrong, changed) in mistakes.items():
        logits = decoder.forward(wrong, replace(weights, layers=changed), ids)
        found[name] = float(np.median(cosine(logits, right)))
    return found


def k_model():
    """A llama of width 256, as K-quants need; random from the start, so no folder of its own."""
    config = decoder.Config(
        architecture="llama", layers=1, width=256, heads=4, kv_heads=1, head_width=64,
        epsilon=1e-5, rope_base=1e4, rope_width=64, rope_adjacent=True, context=256,
    )  # fmt: skip
    random = np.random.default_rng(20261122)

    def matrix(rows, columns):
        return random.normal(0.0, 0.9 / np.sqrt(columns), (rows, columns))

    layer = "model.layers.0."
    tensors = {
        "model.embed_tokens.weight": random.normal(0.0, 0.25, (288, 256)),
        "model.norm.weight": random.uniform(0.5, 1.5, 256),
        layer + "input_layernorm.weight": random.uniform(0.5, 1.5, 256),
        layer + "post_attention_layernorm.weight": random.uniform(0.5, 1.5, 256),
        layer + "self_attn.q_proj.weight": matrix(256, 256),
        layer + "self_attn.k_proj.weight": matrix(64, 256),
        layer + "self_attn.v_proj.weight": matrix(64, 256),
        layer + "self_attn.o_proj.weight": matrix(256, 256),
        layer + "mlp.gate_proj.weight": matrix(256, 256),
        layer + "mlp.up_proj.weight": matrix(256, 256),
        layer + "mlp.down_proj.weight": matrix(256, 256),
    }
    return config, tensors, random.integers(0, 288, 80)


def gguf_entry(path, ids):
    config, weights = weights_gguf.read(path)
    return index_entry(path, "numpy", ids, decoder.forward(config, weights, ids))


def main():
    made = Path(sys.argv[1])
    if DATA.exists():
        shutil.rmtree(DATA)
    DATA.mkdir(parents=True)
    index = []
    for name, files in GGUFS.items():
        folder = DATA / name
        folder.mkdir()
        for path in sorted((made / name).iterdir()):
            shutil.copyfile(path, folder / path.name)
        llama = name.startswith("llama")
        if llama:
            tiny_tokenizers.sentencepiece_json(folder / "tokenizer.json")
            tokenizer = tiny_tokenizers.sentencepiece_gguf
        else:
            tiny_tokenizers.byte_level_json(folder / "tokenizer.json")
            tokenizer = tiny_tokenizers.byte_level_gguf

        tokens = json.loads((made / f"{name}.json").read_text())
        ids = tokens["prompt"] + tokens["decode"]
        config, weights = weights_hf.read(folder)
        transformers = np.fromfile(made / f"{name}.f64", "<f8").reshape(len(ids), -1)
        own = decoder.forward(config, weights, ids)
        difference = np.abs(own - transformers).max()
        if difference > AGREEMENT:
            sys.exit(f"{name}: numpy and transformers differ by {difference}")
        print(f"{name}: numpy and transformers differ by at most {difference:.1e}")
        for mistake, left in sensitivity(config, weights, ids, own).items():
            print(f"  with a mistake in {mistake}: cosine {left:.4f}")
            if left > 0.999:
                sys.exit(f"{name}: the fixture would not notice this")
        index.append(index_entry(folder, "transformers", ids, transformers))

        tensors = weights_hf.read_tensors(folder)
        for suffix, choose_type in files.items():
            path = DATA / f"{name}.{suffix}.gguf"
            convert.write(path, f"tiny {name}", config, tensors, tokenizer, choose_type)
            index.append(gguf_entry(path, ids))

    config, tensors, ids = k_model()
    path = DATA / "llama-k.q4_k-q6_k.gguf"
    tokenizer = tiny_tokenizers.sentencepiece_gguf
    convert.write(path, "tiny llama-k", config, tensors, tokenizer, k_mix)
    index.append(gguf_entry(path, ids))
    (DATA / "index.json").write_text(json.dumps(index) + "\n")
    for entry in index:
        margins = sorted(entry["margin"])
        print(
            f"{entry['model']:28} margins: least {margins[0]:.3f}, median {margins[40]:.3f}; "
            f"{len(set(entry['top1']))} winners"
        )


if __name__ == "__main__":
    main()
