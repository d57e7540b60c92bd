#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-tidy has nothing to say about our C++, by the checks of .clang-tidy. Takes minutes: for --level=full."""

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tree

TIDY = "clang-tidy"
FOUND = re.compile(r"^\S+:\d+:\d+: (?:warning|error): .*", re.M)
# For what meson does not compile by commands of its own: guest programs and fuzzers.
OTHERWISE = ["--", "-std=c++20", f"-I{tree.TOP}/guest-virtio-driver/policy"]


def sources():
    """Our C++, but for the plugins, which take QEMU's header."""
    return [path for path in tree.matching("*.cpp") if not path.is_relative_to("qemu-device")]


def configured(folder):
    """Sets up a build there for the sake of its commands; returns the sources that it has commands for."""
    done = subprocess.run(["meson", "setup", folder, tree.TOP], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    commands = json.loads((folder / "compile_commands.json").read_text())
    return {(Path(command["directory"]) / command["file"]).resolve() for command in commands}


def findings(path, folder, known):
    """What clang-tidy says of a source and of the headers of ours that it includes."""
    file = tree.TOP / path
    command = ["nice", TIDY, "--quiet", *(["-p", folder, file] if file in known else [file, *OTHERWISE])]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tree.TOP)
    found = {os.path.normpath(line).replace(f"{tree.TOP}/", "") for line in FOUND.findall(done.stdout)}
    assert done.returncode == 0 or found, f"{TIDY} failed on {path}: {done.stdout}{done.stderr}"
    return found


@pytest.mark.full
@pytest.mark.skipif(shutil.which(TIDY) is None, reason=f"{TIDY} is not installed")
def test_clang_tidy_has_nothing_to_say(tmp_path):
    known = configured(tmp_path)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = pool.map(lambda path: findings(path, tmp_path, known), sources())
    assert sorted(set().union(*said)) == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
