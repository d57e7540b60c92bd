# SPDX-License-Identifier: GPL-2.0-or-later
"""A way to a machine's monitor on which a machine that the bench has stopped seems to run.

The bench holds all machines at the same time of their clocks while the balancer looks and decides; for the balancer no
time is to pass meanwhile. All else goes through as it is.
"""

import socket
import threading
from pathlib import Path

HELD, RUNS = b'"status": "paused"', b'"status": "running"'


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
