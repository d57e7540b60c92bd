#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every test file of the tree is one that the build or pytest runs."""

import functools
import json
import os
import re
import subprocess
import sys

import pytest

import tree

C_TESTS = ("tests/unit", "tests/fuzz")
C_SUFFIXES = (".c", ".cc", ".cpp")
QTESTS = "qemu-device/tests/qtest"


def meson(*words):
    """What meson prints."""
    run = subprocess.run(["meson", *words], cwd=tree.TOP, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, f"meson {' '.join(map(str, words))}: {run.stdout}"
    return run.stdout


@pytest.fixture(scope="module")
def built_sources(tmp_path_factory):
    """Sources of all targets, in a build folder of this test's own: another one could be out of date."""
    folder = tmp_path_factory.mktemp("build")
    meson("setup", folder)
    targets = json.loads(meson("introspect", "--targets", folder))
    return {source for target in targets for group in target["target_sources"] for source in group["sources"]}


@functools.cache
def collected():
    """Files in which pytest finds tests."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", tree.TOP / "tests"]
    environment = {**os.environ, "PYTHONPATH": str(tree.TOP / "scripts/lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    listing = subprocess.run(command, cwd=tree.TOP, env=environment, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT).stdout
    assert "error" not in listing.splitlines()[-1], listing
    return {line.split("::")[0] for line in listing.splitlines() if "::" in line}


def test_every_c_test_is_built(built_sources):
    tests = [path for path in tree.below(*C_TESTS) if path.suffix in C_SUFFIXES]
    assert tests and [str(path) for path in tests if str(tree.TOP / path) not in built_sources] == []


def test_every_python_test_is_collected():
    tests = [path for path in tree.below("tests") if path.match("test_*.py")]
    assert tests and [str(path) for path in tests if str(path) not in collected()] == []


def test_no_python_test_hides_under_another_name():
    others = [path for path in tree.below("tests") if path.suffix == ".py" and not path.match("test_*.py")]
    assert tree.places(re.compile(r"^(?:async )?def test_"), others) == []


def test_every_qtest_is_in_qemus_build():
    patches = "\n".join(tree.text(path) for path in tree.below("qemu-device/patches"))
    tests = [path for path in tree.below(QTESTS) if path.match("*-test.c")]
    added = {path.stem for path in tests if re.search(rf"^\+.*'{re.escape(path.stem)}'", patches, re.M)}
    assert [str(path) for path in tests if path.stem not in added] == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
