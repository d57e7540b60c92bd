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
# Left out: what needs a kernel tree, what a driver for several kernel versions cannot do without, and what takes the
# types in a macro that declares a function for its arguments.
KERNEL_OPTIONS = ["--no-tree", "--terse", "--no-summary", "--show-types", "--max-line-length=100",
                  "--ignore=CONST_STRUCT,FILE_PATH_CHANGES,LINUX_VERSION_CODE,CONSTANT_COMPARISON,"
                  "FUNCTION_ARGUMENTS"]
QEMU_OPTIONS = ["--no-tree", "--terse", "--no-summary"]


def script(patterns):
    """The first checkpatch that exists; skips where there is none."""
    for pattern in patterns:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[-1]
    pytest.skip(f"no checkpatch.pl at {' or '.join(patterns)}; scripts/build-qemu fetches QEMU's source")


def problems(checkpatch, options, files, folder):
    """What checkpatch, run in a folder, says of the files, line by line; but a header for C and C++ may say so."""
    command = ["perl", checkpatch, *options, "-f", *files]
    run = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = [line for line in run.stdout.splitlines() if re.match(r"\S+:\d+: (?:ERROR|WARNING)", line)]
    assert run.returncode == 0 or found, f"{checkpatch} failed: {run.stdout}"
    return [line for line in found if "#ifdef __cplusplus" not in source_line(line, folder)]


def source_line(complaint, folder):
    """The line that a complaint is about."""
    name, number, _ = complaint.split(":", 2)
    return (folder / name).read_text().splitlines()[int(number) - 1]


def test_driver_passes_the_kernels_checkpatch(tmp_path):
    files = [tree.TOP / path for path in tree.below("guest-virtio-driver")
             if path.suffix in SOURCES and not path.is_relative_to("guest-virtio-driver/policy")]
    assert files, "no C file below guest-virtio-driver/"
    # It leaves a file with the spellings that it has seen where it runs.
    assert problems(script(KERNEL_SCRIPTS), KERNEL_OPTIONS, files, tmp_path) == []


def test_device_passes_qemus_checkpatch():
    # The plugins are C++ that never goes into QEMU's tree.
    ours = [Path(path).relative_to("qemu-device") for path in tree.below("qemu-device")]
    files = [path for path in ours if path.suffix in SOURCES and path.parts[0] not in ("patches", "plugins")]
    assert files, "no C file below qemu-device/"
    # Its rules for tests go by the path in QEMU's tree.
    assert problems(script(QEMU_SCRIPTS), QEMU_OPTIONS, files, tree.TOP / "qemu-device") == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
