#!/usr/bin/env python3
"""Make dacapo-llm/tests/data/smollm2: the float64 reference on the real default model.

    python3 scripts/reference/smollm2_fixtures.py "$(scripts/fetch-model)" [--llama-lib DIR]

Writes, beside `kjv.txt` (from `text.sh`):

- `decode.json`, `decode.f16`: a 64-token prompt and 16 decode steps of the reference's own greedy
  choice; winner and margin at all 80 positions, whole logits at five of them.
- `chat.json`: a question in the chat template and the reference's greedy answer.
- `perplexity.json`: the ids of the text and its perplexity by `perplexity.py`'s definition, in
  windows of 512 tokens and of the model's context.

Token ids come from llama.cpp's tokenizer. Needs PyPI gguf 0.19.0 and numpy, 3 GB of memory and some
ten minutes on two cores.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import decoder
import perplexity
import weights_gguf

sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))
import fetch_llama  # noqa: E402
from llama import Llama  # noqa: E402

DATA = Path(__file__).resolve().parents[2] / "dacapo-llm" / "tests" / "data" / "smollm2"
PROMPT_TOKENS = 64
DECODE_TOKENS = 16
WHOLE_LOGITS = [63, 64, 69, 74, 79]
CHAT_TOKENS = 48
# What the model's own template makes of this one question.
CHAT = (
    "<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n"
    "What is the capital of France?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
END_OF_TURN = 2


def margins(logits):
    top = np.partition(logits, -2, axis=-1)[..., -2:]
    return np.abs(top[..., 1] - top[..., 0])


def shortened(values):
    return [float(f"{value:.6g}") for value in np.atleast_1d(values)]


def greedy(config, weights, prompt, count, end=None):
    """(ids chosen, logits [len(prompt) + chosen - 1 or more, vocabulary])."""
    cache = decoder.Cache()
    rows = [decoder.forward(config, weights, prompt, cache)]
    chosen = []
    while len(chosen) < count:
        chosen.append(int(rows[-1][-1].argmax()))
        if chosen[-1] == end:
            break
        rows.append(decoder.forward(config, weights, chosen[-1:], cache))
    return chosen, np.concatenate(rows)


def write_json(name, content):
    (DATA / name).write_text(json.dumps(content, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--llama-lib", type=Path)
    options = parser.parse_args()
    llama = Llama(options.llama_lib or fetch_llama.libraries(), options.model, 1, 512)
    config, weights = weights_gguf.read(options.model)
    text = (DATA / "kjv.txt").read_text()
    ids = llama.tokenize(text, add_special=False, parse_special=False)

    prompt = ids[:PROMPT_TOKENS]
    chosen, logits = greedy(config, weights, prompt, DECODE_TOKENS)
    logits[WHOLE_LOGITS].astype("<f2").tofile(DATA / "decode.f16")
    write_json("decode.json", {
        "vocabulary": logits.shape[1],
        "prompt": prompt,
        "decode": chosen,
        "top1": logits.argmax(axis=-1).tolist(),
        "margin": shortened(margins(logits)),
        "logits": "decode.f16",
        "logits_positions": WHOLE_LOGITS,
    })  # fmt: skip
    print("continues:", repr(llama.text(chosen)), file=sys.stderr)

    prompt = llama.tokenize(CHAT, add_special=False, parse_special=True)
    chosen, logits = greedy(config, weights, prompt, CHAT_TOKENS, END_OF_TURN)
    write_json("chat.json", {
        "text": CHAT,
        "prompt": prompt,
        "answer_ids": chosen,
        "margin": shortened(margins(logits[len(prompt) - 1 :][: len(chosen)])),
        "answer": llama.text([i for i in chosen if i != END_OF_TURN]),
    })  # fmt: skip
    print("answers:", repr(llama.text(chosen)), file=sys.stderr)

    start = perplexity.start_token(options.model)
    results = [
        perplexity.measure(config, weights, ids, length, start)[0]
        for length in (512, config.context)
    ]
    write_json("perplexity.json", {"text": "kjv.txt", "ids": ids, "results": results})


if __name__ == "__main__":
    main()
