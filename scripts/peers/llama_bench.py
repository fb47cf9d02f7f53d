#!/usr/bin/env python3
"""Prefill and decode speed of llama.cpp, measured the way `dacapo bench` measures its own.

    scripts/peers/llama_bench.py MODEL [--threads 1 2] [--repeat 5] [--llama-lib DIR]

Per repeat: an empty cache, the prompt in one call (prefill), then `--gen-tokens` calls of one token
each with the prompt in the cache (decode). Choosing a token is not part of the time. One repeat
beforehand warms up and is not counted. Prints JSON: tokens per second as median and as interval
[lowest, highest] over the repeats, for each number of threads.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import fetch_llama
from llama import Llama


def summary(values):
    return {"median": statistics.median(values), "interval": [min(values), max(values)]}


def one_repeat(llama, prompt_tokens, gen_tokens):
    """(prefill, decode) in tokens per second."""
    # Any ids will do, as long as they are in the vocabulary and not all the same.
    ids = [100 + i % 150 for i in range(prompt_tokens + gen_tokens)]
    llama.clear()
    start = time.perf_counter()
    llama.evaluate(ids[:prompt_tokens])
    middle = time.perf_counter()
    for token in ids[prompt_tokens:]:
        llama.evaluate([token])
    end = time.perf_counter()
    return prompt_tokens / (middle - start), gen_tokens / (end - middle)


def measure(folder, model, threads, prompt_tokens, gen_tokens, repeat):
    llama = Llama(folder, model, threads, context=max(512, prompt_tokens + gen_tokens))
    one_repeat(llama, prompt_tokens, min(gen_tokens, 8))
    results = [one_repeat(llama, prompt_tokens, gen_tokens) for _ in range(repeat)]
    prefill, decode = zip(*results)
    return {
        "threads": threads,
        "prefill_tok_s": summary(prefill),
        "decode_tok_s": summary(decode),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--gen-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--llama-lib", type=Path, help="folder of libllama; fetched if not given")
    options = parser.parse_args()
    if not options.model.is_file():
        sys.exit(f"llama_bench: no file {options.model}")
    folder = options.llama_lib or fetch_llama.libraries()
    runs = [
        measure(folder, options.model, threads, options.prompt_tokens, options.gen_tokens,
                options.repeat)
        for threads in options.threads
    ]  # fmt: skip
    print(json.dumps({
        "library": str(folder),
        "prompt_tokens": options.prompt_tokens,
        "gen_tokens": options.gen_tokens,
        "repeat": options.repeat,
        "runs": runs,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
