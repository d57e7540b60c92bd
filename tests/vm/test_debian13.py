# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian 13: our package, installed as a user does, compiles the driver by DKMS and has it loaded in the initramfs."""

import re

import pytest
import tiers
from tiers import MIB

from tiermem_build import debian13_image

FACTS = "uname -r; cat /etc/debian_version; modinfo -F filename virtio_tiermem; dkms status; dmesg"


def seconds(log, text):
    """When a line with the text stands in the kernel's log."""
    found = re.search(rf"^\[ *([\d.]+)\].*{re.escape(text)}", log, re.M)
    assert found, f"no line with '{text}' in:\n{log}"
    return float(found[1])


@pytest.mark.full
def test_package_on_debian_13(boot):
    machine = boot(parts=debian13_image.build(), fast=512 * MIB, slow=512 * MIB, fast_quota=384 * MIB, slow_quota=320 * MIB,
                   append="loglevel=5")
    machine.wait_driver()
    release, debian, module, status, log = machine.run(FACTS).output.split("\n", 4)
    assert release.startswith("6.12") and debian.startswith("13")
    assert "/updates/dkms/virtio_tiermem.ko" in module
    assert f"{release}, x86_64: installed" in status
    assert seconds(log, "virtio_tiermem virtio") < seconds(log, "EXT4-fs (vda): mounted")
    tiers.wait_reached(machine)
    for fast, slow in ((256 * MIB, 192 * MIB), (512 * MIB, 512 * MIB), (320 * MIB, 256 * MIB)):
        tiers.resize(machine, fast, slow)
        assert tiers.sysfs(machine, "actual") == [fast, slow]
