# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a machine keeps its files: logs that outlive it, and a private folder that does not."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from tiermem_build import mini_image
from tiermem_build.log import tail
from tiermem_build.paths import LOGS

KEPT_LOGS = 400  # files; older ones are removed


class Place:
    """Logs: console (the guest's), errors (QEMU's own words). Private: sockets, initrd, memory files."""

    def __init__(self, name):
        logs = LOGS / "vm"
        logs.mkdir(parents=True, exist_ok=True)
        self.private = Path(tempfile.mkdtemp(prefix="tiermem-vm-"))  # in /tmp: a socket's path is short
        name = re.sub(r"[^\w.-]+", "-", name)[:60]
        stem = f"{time.strftime('%m%d-%H%M%S')}-{self.private.name.removeprefix('tiermem-vm-')}-{name}"
        self.console = logs / f"{stem}.console"
        self.errors = logs / f"{stem}.qemu"
        self.console.touch()
        self._memory = None
        _forget_old(logs)

    @property
    def memory(self):
        """Folder for file-backed guest memory, on tmpfs where there is one so that no disk is written."""
        if self._memory is None:
            base = "/dev/shm" if os.path.isdir("/dev/shm") else None
            self._memory = Path(tempfile.mkdtemp(prefix="tiermem-vm-", dir=base))
        return self._memory

    def add_files(self, initrd, files, below):
        """An initramfs that has further files in its folder `below`; the kernel takes archives one after another."""
        root = self.private / "added"
        for source, target in files:
            path = root / below / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, path) if Path(source).is_dir() else shutil.copy2(source, path)
        mini_image.pack(root, self.private / "added.cpio")
        joined = self.private / "initrd"
        with open(joined, "wb") as output:
            for part in (initrd, self.private / "added.cpio"):
                output.write(Path(part).read_bytes())
                output.write(bytes(-output.tell() % 512))
        return joined

    def describe(self):
        """The logs' names and how they end, for an error text."""
        text = f"console: {self.console}"
        words = self.errors.read_text(errors="replace").strip() if self.errors.exists() else ""
        if words:
            text += f"\nQEMU said ({self.errors}):\n{words[-2000:]}"
        return f"{text}\nthe console ends with:\n{tail(self.console, 12)}"

    def remove_private(self):
        """Removes all but the logs."""
        shutil.rmtree(self.private, ignore_errors=True)
        if self._memory:
            shutil.rmtree(self._memory, ignore_errors=True)


def _forget_old(logs):
    """Other processes may do the same at the same time."""
    files = []
    for entry in os.scandir(logs):
        with contextlib.suppress(FileNotFoundError):
            files.append((entry.stat().st_mtime, entry.path))
    for _, old in sorted(files)[:-KEPT_LOGS]:
        Path(old).unlink(missing_ok=True)
