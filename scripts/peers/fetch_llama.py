#!/usr/bin/env python3
"""Fetch llama.cpp's CPU libraries, as node-llama-cpp ships them, and print their folder.

    scripts/peers/fetch_llama.py

Runs `npm install` once, in `peers/` of dacapo's cache folder, without any package's own scripts.
Needs npm; Linux x86-64 or arm64, or macOS.
"""

import platform
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
from fetching import cache_folder  # noqa: E402

PACKAGE = "node-llama-cpp@3.22.1"


def platform_package():
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.platform == "darwin":
        return "mac-arm64-metal" if machine == "arm64" else "mac-x64"
    return f"linux-{machine}"


def libraries():
    """The folder with libllama, fetched if it is not there."""
    root = cache_folder() / "peers" / PACKAGE.replace("@", "-")
    package = platform_package()
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
    print(libraries())
