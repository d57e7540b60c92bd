# SPDX-License-Identifier: GPL-2.0-or-later
"""Picks the accelerator: KVM only where a guest really starts with it."""

import functools
import re
import subprocess
import tempfile
from pathlib import Path

# Firmware of one page whose reset vector tells isa-debug-exit 0x10: mov al,0x10; out 0xf4,al; hlt
TRIAL_CODE = bytes([0xB0, 0x10, 0xE6, 0xF4, 0xF4])
TRIAL_SIZE = 64 * 1024
RESET_VECTOR = 0xFFF0
TRIAL_STATUS = (0x10 << 1) | 1  # what isa-debug-exit makes of it


@functools.cache
def kvm_works(qemu):
    """Whether the processor has virtualization, /dev/kvm is there and a trial guest runs to its end."""
    if not re.search(r"^flags\s*:.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.M):
        return False
    return Path("/dev/kvm").exists() and _trial(qemu)


def _trial(qemu):
    with tempfile.NamedTemporaryFile() as firmware:
        image = bytearray(TRIAL_SIZE)
        image[RESET_VECTOR:RESET_VECTOR + len(TRIAL_CODE)] = TRIAL_CODE
        firmware.write(image)
        firmware.flush()
        command = [qemu, "-machine", "pc,accel=kvm", "-nodefaults", "-display", "none", "-bios", firmware.name,
                   "-device", "isa-debug-exit,iobase=0xf4"]
        try:
            return subprocess.run(command, timeout=10, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode == TRIAL_STATUS
        except subprocess.TimeoutExpired:
            return False


def choose(wanted, qemu, icount=False):
    """QEMU's -accel argument for tcg, kvm or auto. Counting instructions for time needs one thread, and TCG."""
    if icount:
        return "tcg,thread=single"
    if wanted == "kvm" or (wanted == "auto" and kvm_works(qemu)):
        return "kvm"
    return "tcg,thread=multi"
