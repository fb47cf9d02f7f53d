"""The protocol of `dacapo-bench model` for adapters in Python; standard library only.

One line of JSON each: the bench asks on standard input, the adapter answers on standard output. See
`dacapo-bench/src/model/protocol.rs`.
"""

import json
import os
import sys
import time


def ids(count):
    """Tokens: any will do, as long as they are in the vocabulary and not all the same."""
    return [100 + at % 150 for at in range(count)]


def seconds(work, *arguments):
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def serve(load):
    """Answers until the input ends.

    `load` takes the request and gives an engine with `name`, `settings`, `clear()`, `push(ids)`, `decode(ids)` and
    `device_bytes()`. The two in the middle put tokens behind those in the cache, at once or one by one, and wait.
    """
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    engine = None
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            if ask == "quit":
                answer = {"device_bytes": engine and engine.device_bytes()}
            elif "load" in ask:
                begun = time.perf_counter()
                engine = load(ask["load"])
                # Engines that make weights say how long the rest took.
                taken = getattr(engine, "load_seconds", time.perf_counter() - begun)
                answer = {"engine": engine.name, "settings": engine.settings, "seconds": taken}
            else:
                answer = measure(engine, **ask["measure"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the bench has to hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)
        if ask == "quit":
            break


def measure(engine, context, prompt, generate):
    engine.clear()
    fill = seconds(engine.push, ids(max(context, 1)))
    decode = seconds(engine.decode, ids(generate))
    if context == 0:
        engine.clear()
    return {"fill": fill, "decode": decode, "prefill": seconds(engine.push, ids(prompt))}
