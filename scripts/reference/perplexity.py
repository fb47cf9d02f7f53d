#!/usr/bin/env python3
"""Perplexity of a text under a GGUF model, in float64.

    python3 scripts/reference/perplexity.py MODEL TEXTFILE --window 512 [--llama-lib DIR]

The definition, which `dacapo perplexity` shares:

- The text is tokenized once, without a start token and without reading special tokens out of it.
- The tokens are cut into windows of L that do not overlap; the last may be shorter. Where the
  tokenizer adds a start token, every window is that token and then L - 1 tokens of the text, so
  that it holds L as well.
- A window is evaluated on its own, from position 0. Scored is every token that has a predecessor in
  its window: all but the first. (After a start token that is every token of the text; without one,
  each window's first token goes unscored.)
- mean_nll is the sum of -ln p(token | its predecessors in the window) over the number of scored
  tokens, perplexity its exponential.

Token ids come from llama.cpp's tokenizer. Needs PyPI gguf and numpy.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import gguf
import numpy as np

import decoder
import weights_gguf

# Rows of logits held at once.
ROWS = 256


def windows(ids, length, start_token=None):
    """The token lists that are evaluated, each on its own."""
    head = [] if start_token is None else [start_token]
    step = length - len(head)
    return [head + ids[at : at + step] for at in range(0, len(ids), step)]


def token_nlls(config, weights, ids):
    """-ln p of ids[1:], each given those before it."""
    hidden = decoder.hidden_states(config, weights, ids)[:-1]
    targets = np.asarray(ids[1:])
    parts = [np.empty(0)]
    for at in range(0, len(hidden), ROWS):
        log_p = decoder.log_softmax(hidden[at : at + ROWS] @ weights.output.T)
        wanted = targets[at : at + ROWS]
        parts.append(-log_p[np.arange(len(wanted)), wanted])
    return np.concatenate(parts)


def measure(config, weights, ids, length, start_token=None):
    per_window = []
    for number, window in enumerate(windows(ids, length, start_token)):
        per_window.append(token_nlls(config, weights, window))
        print(f"window {number}: {per_window[-1].mean():.6f}", file=sys.stderr, flush=True)
    nlls = np.concatenate(per_window)
    return {
        "window": length,
        "tokens": len(nlls),
        "mean_nll": float(nlls.mean()),
        "perplexity": math.exp(nlls.mean()),
        "windows": [{"tokens": len(w), "nll_sum": float(w.sum())} for w in per_window],
    }, nlls


def start_token(model):
    """The token that the tokenizer puts in front of a text, or None."""
    reader = gguf.GGUFReader(model)
    adds = reader.get_field("tokenizer.ggml.add_bos_token")
    if adds is None:
        sys.exit(f"perplexity: {model} does not say whether its tokenizer adds a start token")
    if not adds.contents():
        return None
    return reader.get_field("tokenizer.ggml.bos_token_id").contents()


def main():
    sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))
    import fetch_llama
    from llama import Llama

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--window", type=int, help="tokens; the model's context if not given")
    parser.add_argument("--llama-lib", type=Path)
    options = parser.parse_args()
    llama = Llama(options.llama_lib or fetch_llama.libraries(), options.model, 1, 512)
    ids = llama.tokenize(options.text.read_text(), add_special=False, parse_special=False)
    config, weights = weights_gguf.read(options.model)
    length = options.window or config.context
    result, _ = measure(config, weights, ids, length, start_token(options.model))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
