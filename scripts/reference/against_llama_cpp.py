#!/usr/bin/env python3
"""Compare the numpy reference with llama.cpp on GGUF files, token by token.

    python3 scripts/reference/against_llama_cpp.py MODEL... [--tokens 80] [--text FILE]

Two implementations that share nothing agree on the same ids, random ones or the start of a text
(then their mean negative log-likelihoods are printed too): prints the cosine of their logits
(least over all positions), the largest difference, and where their winners differ. llama.cpp rounds
activations to 8 bits before every quantised product and keeps an f16 cache, so agreement is close,
not exact. Needs PyPI gguf and numpy.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import decoder
import weights_gguf

sys.path.append(str(Path(__file__).resolve().parents[1] / "peers"))
import fetch_llama  # noqa: E402
from llama import Llama  # noqa: E402


def mean_nll(logits, ids):
    log_p = decoder.log_softmax(logits[:-1])
    return -log_p[np.arange(len(ids) - 1), ids[1:]].mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--llama-lib", type=Path)
    parser.add_argument("--tokens", type=int, default=80)
    parser.add_argument("--text", type=Path)
    options = parser.parse_args()
    folder = options.llama_lib or fetch_llama.libraries()
    for path in options.models:
        llama = Llama(folder, path, threads=1, context=max(512, options.tokens))
        ids = np.random.default_rng(1).integers(0, llama.vocabulary_size, options.tokens).tolist()
        if options.text:
            ids = llama.tokenize(options.text.read_text(), False, False)[: options.tokens]
        llama.evaluate(ids, every=True)
        theirs = np.stack([np.array(llama.logits(row), np.float64) for row in range(len(ids))])
        config, weights = weights_gguf.read(path)
        ours = decoder.forward(config, weights, ids)
        cosine = (ours * theirs).sum(-1) / np.sqrt((ours**2).sum(-1) * (theirs**2).sum(-1))
        order = np.sort(ours, axis=-1)
        margin = order[:, -1] - order[:, -2]
        differ = ours.argmax(-1) != theirs.argmax(-1)
        print(
            f"{path.name}: cosine at least {cosine.min():.6f}, "
            f"largest difference {np.abs(ours - theirs).max():.3f} "
            f"(spread of logits {ours.std():.2f}), winners differ at {differ.sum()} of {len(ids)}"
            + (f" (margins there at most {margin[differ].max():.3f})" if differ.any() else "")
        )
        if options.text:
            theirs, ours = (mean_nll(logits, ids) for logits in (theirs, ours))
            print(f"  mean negative log-likelihood {ours:.6f}, llama.cpp {theirs:.6f}")


if __name__ == "__main__":
    main()
