#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver passes the kernel's checkpatch, and the new files for QEMU pass QEMU's."""

import os
import re
import subprocess
from pathlib import Path

import pytest

import tree

CACHE = Path(os.environ.get("TIERMEM_CACHE")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virtio-tiermem")
SOURCES = (".c", ".h")
# A kernel tree if there is one, else the copy that U-Boot keeps of the kernel's script, inside QEMU's source package.
KERNEL_SCRIPTS = ["/usr/src/linux-source-*/scripts/checkpatch.pl", "/usr/src/linux-headers-*/scripts/checkpatch.pl",
                  f"{CACHE}/qemu-source/*/source/roms/u-boot/scripts/checkpatch.pl"]
QEMU_SCRIPTS = [f"{tree.TOP}/build/qemu-src/scripts/checkpatch.pl", f"{CACHE}/qemu-source/*/source/scripts/checkpatch.pl"]
# Left out: what needs a kernel tree, and what a driver for several kernel versions cannot do without.
KERNEL_OPTIONS = ["--no-tree", "--terse", "--no-summary", "--show-types", "--max-line-length=100",
                  "--ignore=CONST_STRUCT,FILE_PATH_CHANGES,LINUX_VERSION_CODE,CONSTANT_COMPARISON"]
QEMU_OPTIONS = ["--no-tree", "--terse", "--no-summary"]


def script(patterns):
    """The first checkpatch that exists; skips where there is none."""
    for pattern in patterns:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[-1]
    pytest.skip(f"no checkpatch.pl at {' or '.join(patterns)}; scripts/build-qemu fetches QEMU's source")


def problems(checkpatch, options, files):
    """What checkpatch says of the files, line by line."""
    command = ["perl", checkpatch, *options, "-f", *files]
    run = subprocess.run(command, cwd=tree.TOP, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = [line for line in run.stdout.splitlines() if re.match(r"\S+:\d+: (?:ERROR|WARNING)", line)]
    assert run.returncode == 0 or found, f"{checkpatch} failed: {run.stdout}"
    return found


def test_driver_passes_the_kernels_checkpatch():
    files = [path for path in tree.below("guest-virtio-driver")
             if path.suffix in SOURCES and not path.is_relative_to("guest-virtio-driver/policy")]
    assert files, "no C file below guest-virtio-driver/"
    assert problems(script(KERNEL_SCRIPTS), KERNEL_OPTIONS, files) == []


def test_device_passes_qemus_checkpatch():
    files = [path for path in tree.below("qemu-device")
             if path.suffix in SOURCES and not path.is_relative_to("qemu-device/patches")]
    assert files, "no C file below qemu-device/"
    assert problems(script(QEMU_SCRIPTS), QEMU_OPTIONS, files) == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
