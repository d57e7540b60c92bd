# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that are none, and tiermemctl to be run against them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_qmp import FakeMachine  # noqa: E402
from tiermemctl_tool import PROGRAM, Tool  # noqa: E402


@pytest.fixture
def tool(tmp_path):
    if not os.access(PROGRAM, os.X_OK):
        pytest.skip(f"{PROGRAM} is not built (meson compile), or TIERMEMCTL names another one")
    return Tool(tmp_path)


@pytest.fixture
def machine(tmp_path):
    """A function that starts a FakeMachine; all end with the test."""
    started = []

    def start(name, **settings):
        one = FakeMachine(tmp_path / f"{name}.qmp", **settings)
        one.start()
        started.append(one)
        return one
    yield start
    for one in started:
        try:
            one.stop()
        except OSError:
            pass  # the test has stopped it


@pytest.fixture
def process(tmp_path):
    """A function that starts a FakeMachine in a process of its own, for what is done to processes."""
    started = []

    def start(name):
        script = Path(__file__).with_name("fake_qmp.py")
        one = subprocess.Popen(["/usr/bin/python3", script, tmp_path / f"{name}.qmp"], text=True, stdout=subprocess.PIPE)
        started.append(one)
        assert one.stdout.readline() == "ready\n"
        return one
    yield start
    for one in started:
        one.send_signal(signal.SIGCONT)
        one.kill()
        one.wait()
        one.stdout.close()
