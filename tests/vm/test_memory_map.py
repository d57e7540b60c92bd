# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's memory map changes while other CPUs access MMIO: QEMU's patch 98-system-tcg-view.

Without it QEMU aborts ("iotlb_to_section: Assertion ... failed"), or a CPU's access reaches another device and its
timer is lost. Guests meet that at boot, when PCI BARs are set up, once in some hundred times; this one does it on
purpose.
"""

import programs
import pytest

CPUS = 4
TIMES = 1000


@pytest.mark.parametrize("kernel", ["6.12"])
def test_accesses_reach_their_devices_while_the_map_changes(boot, kernel):
    machine = boot(kernel=kernel, cpus=CPUS, tiermem=False, qemu_args=["-device", "pci-testdev"],
                   add=[programs.build("remap")])
    device = machine.run("cd /sys/bus/pci/devices && grep -l 0x0005 */device | head -n 1").output.strip()
    said = machine.run(f"remap /sys/bus/pci/devices/{device.split('/')[0]}/config {TIMES}", timeout=120).output
    assert int(said.split("=")[1]) >= TIMES, said  # the other CPUs did use their timers
