# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that are none, and tiermemctl to be run against them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_qmp import FakeMachine  # noqa: E402

PROGRAM = os.environ.get("TIERMEMCTL", str(Path(__file__).resolve().parents[3] / "build/tools/tiermemctl/tiermemctl"))
PATIENCE = 120  # seconds for what ends by itself on any machine


class Tool:
    """Runs tiermemctl on the sockets of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.places = ["--socket", f"{folder}/*.qmp"]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TIERMEMCTL_")}

    def start(self, *words, **settings):
        """A process that runs on; its output is text on pipes."""
        words = [PROGRAM, *map(str, words)]
        return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment,
                                stdin=subprocess.DEVNULL, **settings)

    def __call__(self, command, *words, status=0, places=None):
        """Runs a command on the folder's machines to its end and checks the status; returns stdout and stderr."""
        with self.start(command, *words, *(self.places if places is None else places)) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == status, f"status {process.returncode}\n{out}\n{err}"
        return out, err

    def json(self, *words, **settings):
        """What a command with --json prints."""
        return json.loads(self(*words, "--json", **settings)[0])


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
