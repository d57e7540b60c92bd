# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts are free of what shellcheck and pyflakes know to be wrong, and every one explains itself."""

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPTS = [path for path in sorted((TOP / "scripts").iterdir()) if path.is_file() and os.access(path, os.X_OK)]
SHELL = [path for path in [*SCRIPTS, TOP / ".ci/run", *sorted((TOP / "scripts/lib/guest").iterdir())]
         if path.read_text().startswith("#!/bin/")]
PYTHON = [path for path in [*SCRIPTS, *sorted((TOP / "scripts/lib").rglob("*.py"))]
          if path.suffix == ".py" or "python3" in path.read_text().split("\n")[0]]


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script):
    done = subprocess.run(["shellcheck", "--severity=style", "--exclude=SC1091", script], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


def test_pyflakes_has_nothing_to_say():
    done = subprocess.run(["pyflakes3", *PYTHON], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_is_printed_and_nothing_done(script):
    done = subprocess.run([script, "--help"], cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and script.name in done.stdout and done.stderr == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_an_unknown_option_is_refused(script):
    done = subprocess.run([script, "--no-such-option"], cwd="/", text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and "usage:" in done.stderr
