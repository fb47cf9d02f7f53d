#!/usr/bin/env python3
"""Fetch llama.cpp's libraries, as node-llama-cpp ships them, and print their folder.

    scripts/peers/fetch_llama.py [cpu | vulkan | cuda]

Those for the processor unless another kind is named; on Macs they are for Metal, too. Those for
CUDA need NVIDIA's libraries cudart and cublas where the loader finds them.

Runs `npm install` once, in `peers/` of dacapo's cache folder, without any package's own scripts.
Needs npm; Linux x86-64 or arm64, or macOS.
"""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
from fetching import cache_folder  # noqa: E402

PACKAGE = "node-llama-cpp@3.22.1"

KINDS = ("cpu", "vulkan", "cuda")


def gpu_kind():
    """The kind that is fastest on this machine's GPU: CUDA where NVIDIA's driver is."""
    if sys.platform == "darwin":
        return "cpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "vulkan"
    return "cuda"


def platform_package(kind):
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.platform == "darwin":
        return "mac-arm64-metal" if machine == "arm64" else "mac-x64"
    return f"linux-{machine}" if kind == "cpu" else f"linux-{machine}-{kind}"


def libraries(kind="cpu"):
    """The folder with libllama, fetched if it is not there."""
    if kind not in KINDS:
        sys.exit(f"fetch_llama: `{kind}` is none of {', '.join(KINDS)}")
    root = cache_folder() / "peers" / PACKAGE.replace("@", "-")
    package = platform_package(kind)
    pattern = f"node_modules/@node-llama-cpp/{package}/bins/*/libllama*"
    found = sorted(root.glob(pattern))
    if not found:
        root.mkdir(parents=True, exist_ok=True)
        (root / "package.json").write_text('{"private": true}\n')
        print(f"npm install {PACKAGE} into {root}", file=sys.stderr)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
        try:
            subprocess.run(command, cwd=root, stdout=sys.stderr, check=True)
        except FileNotFoundError:
            sys.exit("fetch_llama: npm is needed (https://nodejs.org), or pass --llama-lib DIR")
        except subprocess.CalledProcessError as error:
            sys.exit(f"fetch_llama: npm failed with status {error.returncode}")
        found = sorted(root.glob(pattern))
    if not found:
        sys.exit(f"fetch_llama: {PACKAGE} has no prebuilt libraries for {package}")
    return found[0].parent


if __name__ == "__main__":
    print(libraries(*sys.argv[1:2]))
