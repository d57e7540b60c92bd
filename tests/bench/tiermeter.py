# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin tiermeter from outside: how to load it, and the counts that it publishes (published_counts.h)."""

import struct
import time
from dataclasses import dataclass
from pathlib import Path

from tiermem_build import qemu_plugins, qemu_tree

HEADER = struct.Struct("=8sIIQ")  # magic, version, vCPUs, refreshes
INSTRUCTIONS = struct.Struct("=QQQ")  # user, kernel, in the range
MAGIC, VERSION = b"TIERMETR", 2
PATIENCE = 30  # seconds; a refresh comes every few milliseconds


@dataclass(frozen=True)
class Instructions:
    """What the vCPUs have executed, or executed between two looks."""
    user: int
    kernel: int
    ranged: int = 0  # of both, those in the range that was asked for

    @property
    def all(self):
        return self.user + self.kernel

    def __sub__(self, other):
        return Instructions(self.user - other.user, self.kernel - other.kernel, self.ranged - other.ranged)


class Tiermeter:
    """The counts of one QEMU; `file` is where they are published. `code` is a range of guest addresses, (first, end),
    that is counted apart, too."""

    def __init__(self, file, code=None):
        self.file = Path(file)
        self.code = code

    def arguments(self):
        """QEMU's arguments that load the plugin; builds it when it has to."""
        plugin = qemu_plugins.build(qemu_tree.source()) / "tiermeter.so"
        code = f",range={self.code[0]:x}-{self.code[1]:x}" if self.code else ""
        return ["-plugin", f"{plugin},counts={self.file}{code}"]

    def now(self):
        """Instructions of all vCPUs, not older than this call."""
        refreshes, _ = self._read()
        deadline = time.monotonic() + PATIENCE
        while True:
            seen, instructions = self._read()
            if seen >= refreshes + 2:  # the next refresh may have begun before we asked
                return instructions
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.file}: no refresh within {PATIENCE} s; has QEMU ended?")
            time.sleep(0.002)

    def _read(self):
        data = self.file.read_bytes()
        magic, version, vcpus, refreshes = HEADER.unpack_from(data)
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{self.file}: not what tiermeter version {VERSION} publishes")
        counts = list(INSTRUCTIONS.iter_unpack(data[HEADER.size:HEADER.size + vcpus * INSTRUCTIONS.size]))
        return refreshes, Instructions(*(sum(column) for column in zip(*counts)))
