# SPDX-License-Identifier: GPL-2.0-or-later
"""tiermemctl, run by tests."""

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

PROGRAM = os.environ.get("TIERMEMCTL", str(Path(__file__).resolve().parents[3] / "build/tools/tiermemctl/tiermemctl"))
PATIENCE = 120  # seconds for what ends by itself on any machine


class Tool:
    """Runs tiermemctl on the sockets of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.places = ["--socket", f"{folder}/*.qmp"]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TIERMEMCTL_")}

    def start(self, *words, **settings):
        """A process that runs on; its output is text on pipes. It waits for machines longer than people would, as they
        are slow on a host that is at work."""
        words = [PROGRAM, *map(str, words)]
        if "--socket" in words and "--timeout" not in words:
            words += ["--timeout", "60s"]
        settings = {"stdin": subprocess.DEVNULL, **settings}
        return subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, **settings)

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

    def run_on(self, command, *words, places=None, **settings):
        """A command with --json that runs until its block ends."""
        process = self.start(command, *words, "--json", *(self.places if places is None else places), **settings)
        return Running(process)

    def json(self, *words, **settings):
        """What a command with --json prints."""
        return json.loads(self(*words, "--json", **settings)[0])


class Running:
    """A command that runs on; with --json its lines are read one by one."""

    def __init__(self, process):
        self.process = process
        self.seen = []
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.errors = self.process.communicate(timeout=PATIENCE)[1]

    def line(self, patience=PATIENCE):
        """The next line of JSON."""
        end = time.monotonic() + patience
        while b"\n" not in self.buffer and time.monotonic() < end:
            if select.select([self.process.stdout], [], [], 1)[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                assert piece, f"it ended: {self.process.stderr.read()}"
                self.buffer += piece
        assert b"\n" in self.buffer, f"no line came; the last one was {self.seen[-1:]}"
        text, self.buffer = self.buffer.split(b"\n", 1)
        self.seen.append(json.loads(text))
        return self.seen[-1]

    def until(self, condition):
        """Reads lines until one fulfils the condition, and returns it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if condition(line := self.line()):
                return line
        raise AssertionError(f"not seen in time; the last one was {self.seen[-1]}")
