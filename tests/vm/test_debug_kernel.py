# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver in a kernel that checks its own memory management and locking: gives pages back, takes them again, samples,
goes and comes. The long runs are test_tiering_chaos.py's."""

import pebs_perf
import pytest
import tiers
from tiers import MIB

PATIENCE = 300  # seconds for what takes a few on an idle host


@pytest.fixture
def machine(boot, request):
    tiers.need_debug_kernel(request)
    return boot(kernel="debug", cpu=pebs_perf.CPUS["icelake"], accel="tcg", fast=256 * MIB, slow=256 * MIB,
                **pebs_perf.qemu())


def checks_locks(machine):
    """Whether lockdep is still at work: it ends with its first report, and when its tables are full."""
    return machine.run("grep debug_locks: /proc/lockdep_stats").output.split() == ["debug_locks:", "1"]


def test_quotas_and_unload(machine):
    tiers.wait_probed(machine)
    for less in (32 * MIB, 0):
        tiers.set_quota(machine, 256 * MIB - less, 256 * MIB - 2 * less)
        tiers.wait_reached(machine, PATIENCE)
    tiers.until(lambda: machine.run(f"cat {tiers.SYSFS}/sampler/source").output == "pebs\n",
                lambda: machine.run(f"cat {tiers.SYSFS}/sampler/reasons").output, PATIENCE)
    machine.run("rmmod virtio_tiermem && modprobe virtio_tiermem", timeout=PATIENCE)
    tiers.wait_probed(machine, 2)
    tiers.wait_reached(machine, PATIENCE)
    assert checks_locks(machine)
