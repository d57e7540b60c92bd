# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs for the guest: built statically from the sources in this folder, each into /bin of the image."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]


@functools.cache
def _output():
    folder = tempfile.mkdtemp(prefix="tiermem-guest-programs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def build(name):
    """(file, path in the guest) of one program, as Config.add takes it."""
    program = _output() / name
    subprocess.run(["g++", *FLAGS, "-o", program, FOLDER / f"{name}.cpp"], check=True)
    return program, f"/bin/{name}"


def all_programs():
    """Every program in this folder."""
    return [build(source.stem) for source in sorted(FOLDER.glob("*.cpp"))]
