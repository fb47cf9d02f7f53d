#!/usr/bin/env python3
"""llama.cpp as a contestant of `dacapo-bench model`.

    scripts/peers/llama_peer.py [FOLDER OF LIBRARIES]

Without a folder the libraries that node-llama-cpp ships are fetched with npm: those for CUDA where NVIDIA's driver is,
for Vulkan on other GPUs, and for the processor if the run is to be on that.
"""

import sys
from pathlib import Path

import fetch_llama
from contestant import serve
from llama import Llama

# More layers than any model has.
ALL_LAYERS = 999


class Engine:
    def __init__(self, folder, ask):
        if not ask["file"]:
            raise ValueError("llama.cpp loads files alone, found none")
        on_gpu = ask["device"] != "cpu"
        layers = ALL_LAYERS if on_gpu else 0
        folder = folder or fetch_llama.libraries(fetch_llama.gpu_kind() if on_gpu else "cpu")
        self.llama = Llama(folder, ask["file"], ask["threads"], ask["capacity"], layers, flash=True)
        self.name = "llama.cpp"
        where = f"all layers on {self.llama.gpus[0]}, " if on_gpu else ""
        flash = "on" if self.llama.flash else "as by default"
        self.settings = (
            f"{where}{ask['threads']} threads; flash attention {flash}; prompts in batches of up to {self.llama.ubatch}; "
            f"a cache of F16; {self.llama.system_info().strip()}"
        )

    def clear(self):
        self.llama.clear()

    def push(self, ids):
        self.llama.evaluate(ids)

    def decode(self, ids):
        for token in ids:
            self.llama.evaluate([token])

    def device_bytes(self):
        return None


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    serve(lambda ask: Engine(folder, ask))


if __name__ == "__main__":
    main()
