#!/usr/bin/env python3
"""Fetches llama.cpp's vocabulary-only GGUF files and chat templates into dacapo's cache folder, for the tests.

They come with the source package of PyPI's llama-cpp-python (76 MB), which is downloaded with pip
and not built. Does nothing when they are there.
"""
import pathlib
import tarfile
import tempfile

import fetching

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"


def main():
    cache = fetching.cache_folder() / "vocab"
    # Made last, so that an interrupted run starts again.
    done = cache / "complete"
    if done.is_file() and done.read_text() == SHA256:
        return
    with tempfile.TemporaryDirectory() as folder:
        # Only this package as source: its build tools, which pip asks for its metadata, are not.
        archive = fetching.download(
            f"{PACKAGE}=={VERSION}", SHA256, folder, "--no-binary", PACKAGE)
        cache.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = pathlib.PurePosixPath(member.name)
                vocab = name.name.startswith("ggml-vocab-") and name.parent.name == "models"
                template = name.suffix == ".jinja" and name.parent.name == "templates"
                if member.isfile() and (vocab or template):
                    (cache / name.name).write_bytes(tar.extractfile(member).read())
    done.write_text(SHA256)


main()
