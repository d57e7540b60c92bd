# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lint tests share: the files of this tree, and a way to run one of the tests directly."""

import argparse
import functools
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HEADER = TOP / "spec/virtio_tiermem.h"
CHAPTER = TOP / "spec/virtio-tiermem.md"


def _listed_by_git():
    """Paths that are or could be committed, or None where this is no checkout."""
    listing = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return listing.stdout.decode().split("\0") if listing.returncode == 0 else None


@functools.cache
def files():
    """All files of the tree, relative to its top, without what is built."""
    names = _listed_by_git()
    if names is None:
        names = (str(path.relative_to(TOP)) for path in TOP.rglob("*"))
    paths = (Path(name) for name in names if name)
    return sorted(path for path in paths
                  if (TOP / path).is_file() and not path.parts[0].startswith("build") and "__pycache__" not in path.parts)


def matching(*patterns):
    """Files of the tree that match one of the glob patterns."""
    return [path for path in files() if any(path.match(pattern) for pattern in patterns)]


def below(*folders):
    """Files of the tree in one of the folders."""
    return [path for path in files() if any(path.is_relative_to(folder) for folder in folders)]


@functools.cache
def text(path):
    """A file's text; what is not UTF-8 is replaced."""
    return (TOP / path).read_text(errors="replace")


def places(pattern, paths):
    """`file:line: text` of every line that the compiled pattern matches."""
    return [f"{path}:{number}: {line.strip()}"
            for path in paths
            for number, line in enumerate(text(path).splitlines(), 1) if pattern.search(line)]


def run_directly(file, description):
    """The main function of a lint test that is run as a program."""
    parser = argparse.ArgumentParser(prog=Path(file).name, description=description)
    parser.add_argument("-v", "--verbose", action="store_true", help="name each check")
    verbose = parser.parse_args().verbose
    sys.exit(pytest.main(["-p", "no:cacheprovider", "-v" if verbose else "-q", file]))
