# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of a line to the agent in the guest (scripts/lib/guest/agent has the protocol)."""

import base64
import re
import secrets
import select
import time
from dataclasses import dataclass

from .errors import MachineError, Timeout

READY = rb"\x00ready ([0-9a-f-]{36})\n"
LONGEST = 64  # bytes; no message of the agent is longer
POLL = 0.5  # seconds between two looks at whether QEMU is still there


@dataclass(frozen=True)
class Result:
    """How a command in the guest ended, and all that it wrote to stdout and stderr."""
    status: int
    output: str


class Agent:
    """One line. `alive` is a function that raises when the machine has gone."""

    def __init__(self, connection, alive):
        self.connection = connection
        self.alive = alive
        self.busy = False  # also after a timeout: the guest still runs the command
        self.pending = b""

    def wait_ready(self, deadline):
        """Waits until a freshly booted guest has opened its end; returns its boot id."""
        found = self._until(re.compile(READY), deadline, lambda data: None)
        self.busy = False
        return found.group(1).decode()

    def run(self, command, deadline, sink):
        """Runs a shell command; gives its output to sink(bytes) as it comes; returns its exit status."""
        self.busy = True
        token = secrets.token_hex(16)
        text = base64.b64encode(command.encode()).decode()
        self.connection.sendall(f"{token} {text}\n".encode())
        found = self._until(re.compile(READY + rf"|\x00{token} (\d+)\n".encode()), deadline, sink)
        if found.group(1):
            self.pending = found.group(0) + self.pending
            raise MachineError("the guest has rebooted in the meantime")
        self.busy = False
        return int(found.group(2))

    def _until(self, pattern, deadline, sink):
        """Passes what comes before the pattern to sink; returns the match."""
        while True:
            found = pattern.search(self.pending)
            if found:
                sink(self.pending[:found.start()])
                self.pending = self.pending[found.end():]
                return found
            cut = self.pending.rfind(b"\0")  # what follows may be the pattern's beginning
            if cut < 0 or len(self.pending) - cut > LONGEST:
                cut = len(self.pending)
            sink(self.pending[:cut])
            self.pending = self.pending[cut:] + self._receive(deadline)

    def _receive(self, deadline):
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("the guest did not finish in time")
            if select.select([self.connection], [], [], min(left, POLL))[0]:
                data = self.connection.recv(65536)
                if not data:
                    self.alive(patience=5)
                    raise MachineError("QEMU has closed the line to the guest")
                return data
            self.alive()
