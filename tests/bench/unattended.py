# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that does its work without us: a script from the initramfs, then it switches itself off.

Nothing reaches such a guest from the host while it runs, so with tiermeter's clock two runs are the same.
"""

import dataclasses
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tiermem_build import image, mini_image
from tiermem_vm import Machine
from tiermem_vm.errors import MachineError, Timeout
from tiermem_vm.place import Place

INITTAB = """::sysinit:/etc/rc
::sysinit:/etc/work
::sysinit:/sbin/poweroff -f
"""
HEADER = "#!/bin/sh\nexec >/dev/ttyS0 2>&1\n"
CREATED = 1_767_225_600  # 2026-01-01: the kernel parses the times of files before it knows any other time


class Unattended(Machine):
    """Boots into /etc/work of its initramfs; not for start() and run(). The console is in place.console."""

    def run_to_end(self, timeout, started=lambda machine: None):
        """What the guest printed. `started` is called with the machine once QEMU runs. Raises MachineError or Timeout that names the logs; both end QEMU."""
        self.place = Place(self.name)
        try:
            self._launch()
            started(self)
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the guest still works after {timeout} s\n{self.place.describe()}") from None
        finally:
            self.stop()
        if status != 0:
            raise MachineError(f"QEMU ended with status {status}\n{self.place.describe()}")
        return self.place.console.read_text(errors="replace")


def run(config, script, timeout, name="unattended", **options):
    """Runs a shell script in a machine like `config`, to its end; returns what the guest printed. `timeout` is in
    seconds of the host; `options` are those of run_to_end()."""
    if config.image != "mini":
        raise ValueError(f"image: '{config.image}'; only the mini image runs unattended")
    with tempfile.TemporaryDirectory(prefix="tiermem-unattended-") as folder:
        parts = image.build(config.image, config.kernel, config.tiermem, config.modules)
        initrd = with_files(parts["initrd"], config.add, script, Path(folder))
        config = dataclasses.replace(config, parts={**parts, "initrd": initrd}, add=[], reboot=False)
        return Unattended(config, name).run_to_end(timeout, **options)


def with_files(initrd, files, script, folder):
    """An initramfs with further files and the script, the same bytes for the same content."""
    root = folder / "root"
    for source, target in files:
        path = root / str(target).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, path) if Path(source).is_dir() else shutil.copy2(source, path)
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/inittab").write_text(INITTAB)
    (root / "etc/work").write_text(HEADER + script)
    (root / "etc/work").chmod(0o755)
    for path in [root, *root.rglob("*")]:
        os.utime(path, (CREATED, CREATED), follow_symlinks=False)
    mini_image.pack(root, folder / "added")
    data = Path(initrd).read_bytes()
    (folder / "initrd").write_bytes(data + bytes(-len(data) % 512) + (folder / "added").read_bytes())
    return folder / "initrd"
