#!/usr/bin/env python3
"""Speed of dacapo beside llama.cpp on the same model, taken in turns on the same machine.

    scripts/peers/compare.py --dacapo target/release/dacapo [--threads 1 2] [--rounds 5]
                             [--contexts 256 2048] [--model FILE] [--llama-lib DIR] [--json]

Each round runs both programs once in processes of their own, dacapo first in every other round, so
that a drift of the machine meets both. The ratio is dacapo's speed over llama.cpp's within a round;
given are its median and its lowest and highest value. Above 1 dacapo is faster. A context of N
means a prompt of N tokens, and decoding behind it. The memory is the most that a process had
resident, weights that are mapped from the file included.

Without `--llama-lib` the libraries that node-llama-cpp ships are fetched with npm. An own build
for the very processor is up to a fifth faster: point `--llama-lib` at its `build/bin`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import fetch_llama

HERE = Path(__file__).resolve().parent
KINDS = ("prefill", "decode")


def run_json(command):
    """What the program printed, and the most MiB it had resident."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"compare: {' '.join(map(str, command))} ended with status {process.returncode}")
    try:
        # Linux counts kibibytes, macOS bytes.
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return json.loads(printed), usage.ru_maxrss / unit
    except json.JSONDecodeError as error:
        sys.exit(f"compare: {command[0]} did not print one JSON object: {error}")


def speeds(result):
    return {kind: result[f"{kind}_tok_s"]["median"] for kind in KINDS}


def summary(values):
    return {"median": statistics.median(values), "interval": [min(values), max(values)]}


def compare(options, threads, context):
    tokens = ["--prompt-tokens", context, "--gen-tokens", options.gen_tokens,
              "--repeat", 1, "--threads", threads]  # fmt: skip
    programs = {
        "dacapo": [options.dacapo, "bench", options.model, *tokens, "--json"],
        "llama.cpp": [sys.executable, HERE / "llama_bench.py", options.model, *tokens,
                      "--llama-lib", options.llama_lib],
    }  # fmt: skip
    rounds = []
    for number in range(options.rounds):
        order = list(programs) if number % 2 == 0 else list(programs)[::-1]
        found = {}
        for name in order:
            result, memory = run_json(programs[name])
            found[name] = speeds(result["runs"][0] if name == "llama.cpp" else result)
            found[name]["memory"] = memory
        rounds.append(found)
    report = {"threads": threads, "context": context}
    for name in programs:
        report[f"memory {name}"] = summary([found[name]["memory"] for found in rounds])
    for kind in KINDS:
        for name in programs:
            report[f"{kind} {name}"] = summary([found[name][kind] for found in rounds])
        ratios = [found["dacapo"][kind] / found["llama.cpp"][kind] for found in rounds]
        report[f"{kind} ratio"] = summary(ratios)
    return report


def table(reports):
    def cell(value, digits):
        low, high = value["interval"]
        return f"{value['median']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    lines = ["| threads | context | | dacapo | llama.cpp | ratio of speeds |", "|---|---|---|---|---|---|"]
    names = ("dacapo", "llama.cpp")
    for report in reports:
        place = f"| {report['threads']} | {report['context']} |"
        for kind in KINDS:
            cells = [cell(report[f"{kind} {name}"], 1) for name in names]
            cells.append(cell(report[f"{kind} ratio"], 2))
            lines.append(f"{place} {kind}, tok/s | {' | '.join(cells)} |")
        cells = [cell(report[f"memory {name}"], 0) for name in names]
        lines.append(f"{place} peak memory, MiB | {' | '.join(cells)} | |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--dacapo", type=Path, required=True, help="the release binary")
    parser.add_argument("--model", type=Path, help="GGUF file; the default model if not given")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contexts", type=int, nargs="+", default=[128], help="tokens of prompts")
    parser.add_argument("--gen-tokens", type=int, default=64)
    parser.add_argument("--llama-lib", type=Path, help="folder of libllama; fetched if not given")
    parser.add_argument("--json", action="store_true", help="print the numbers, no table")
    options = parser.parse_args()
    if not options.dacapo.is_file():
        sys.exit(f"compare: no file {options.dacapo}; build it with cargo build --release")
    options.dacapo = options.dacapo.resolve()
    if options.model is None:
        fetch = [sys.executable, HERE.parent / "fetch-model"]
        done = subprocess.run(fetch, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit("compare: no model")
        options.model = Path(done.stdout.strip())
    options.llama_lib = options.llama_lib or fetch_llama.libraries()

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"compare: the machine is busy (load {load:.1f}); threads that wait for each other "
              "suffer most, so trust nothing but a quiet run", file=sys.stderr)  # fmt: skip
    reports = [
        compare(options, threads, context)
        for threads in options.threads
        for context in options.contexts
    ]
    print(json.dumps(reports) if options.json else table(reports))


if __name__ == "__main__":
    main()
