# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench's own way to a machine's monitor, and the balancer's.

The bench holds all machines at the same time of their clocks while the balancer looks and decides; for the balancer no
time is to pass meanwhile, so on its way a machine that is stopped seems to run. All else goes through as it is.
"""

import json
import socket
import threading
from pathlib import Path

HELD, RUNS = b'"status": "paused"', b'"status": "running"'


class Client:
    """Gives commands over a connected socket, one after the other; for one thread at a time, of any number."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rwb")
        self.file.readline()  # the greeting
        self("qmp_capabilities")

    def close(self):
        """Lets the next client have the monitor."""
        self.file.close()
        self.connection.close()

    def __call__(self, command, **arguments):
        """What the machine returns; raises RuntimeError with what it says instead."""
        self.file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.file.flush()
        for line in self.file:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
        raise RuntimeError(f"{command}: the monitor's connection has ended")


class Monitor:
    """Serves at `path`, one client after another, as QEMU's monitor at `real` does; ends with the process."""

    def __init__(self, path, real):
        self.real = str(real)
        self.listener = socket.socket(socket.AF_UNIX)
        Path(path).unlink(missing_ok=True)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, socket.socket(socket.AF_UNIX) as machine:
                machine.connect(self.real)
                back = threading.Thread(target=_pass_on, args=[machine, client, lambda line: line.replace(HELD, RUNS)], daemon=True)
                back.start()
                _pass_on(client, machine, lambda line: line)
                back.join()


def _pass_on(source, target, change):
    """Passes lines on until one of the two has had enough; then neither gets anything more."""
    try:
        for line in source.makefile("rb"):
            target.sendall(change(line))
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has been closed already
