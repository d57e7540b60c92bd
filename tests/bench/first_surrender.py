# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine whose nodes are sized for the maximum and whose quotas are far below: what the host pays at boot.

Two boots are compared, one with quotas as large as the nodes and one with the small ones. Transparent huge pages are
switched off for QEMU, so that each page of 4 KiB that is touched for the first time is one minor fault of its process.
"""

import ctypes
import re
from contextlib import contextmanager

from tiermem_bench import Row
from tiermem_build import log
from tiermem_vm import Config, Machine

GIB = 1 << 30
MIB = 1 << 20
PAGE = 4096
NODE = 4 * GIB
FAST_QUOTA, SLOW_QUOTA = 1 * GIB, 2 * GIB
SURRENDERED = 2 * NODE - FAST_QUOTA - SLOW_QUOTA
LEFT_FREE = 160 * MIB  # when the guest fills its memory; less would run it out of memory
PR_SET_THP_DISABLE, PR_GET_THP_DISABLE = 41, 42


def first_surrender_rows(kernel):
    """Host memory touched by the first surrender, and the peak of the process when the guest uses all it may."""
    log.step(f"{kernel}: first surrender of {SURRENDERED // GIB} GiB")
    with boot(kernel) as machine:
        plain = machine.host_usage()["minor-faults"]
    with boot(kernel, fast_quota=FAST_QUOTA, slow_quota=SLOW_QUOTA) as machine:
        reached = [tier["actual"] for tier in machine.qmp("query-tiermem")[0]["tiers"]]
        touched = (machine.host_usage()["minor-faults"] - plain) * PAGE
        at_boot = machine.host_usage()["peak"]
        fill(machine)
        filled = machine.host_usage()["peak"]
    yield Row(f"{kernel}: missed of the quotas when the guest can run commands", sum(reached) - FAST_QUOTA - SLOW_QUOTA,
              "bytes", bar="== 0")
    yield Row(f"{kernel}: host memory touched by the first surrender / surrendered", touched / SURRENDERED, "share",
              bar="<= 0.05")
    yield Row(f"{kernel}: peak resident of 4+4 GiB with quotas 1+2 GiB, booted", at_boot / GIB, "GiB", bar="<= 3.3")
    yield Row(f"{kernel}: the same, all memory used", filled / GIB, "GiB", bar="<= 3.3")


@contextmanager
def boot(kernel, **quotas):
    """A machine whose driver has met its first quotas."""
    with without_huge_pages():
        machine = Machine(Config(kernel=kernel, fast=NODE, slow=NODE, cpus=1, accel="tcg", **quotas),
                          name=f"bench-first-surrender-{kernel}")
        machine.start()
    try:
        machine.wait_driver()
        yield machine
    finally:
        machine.stop()


@contextmanager
def without_huge_pages():
    """Processes started in here get no transparent huge pages."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = libc.prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)
    if libc.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_THP_DISABLE)")
    try:
        yield
    finally:
        libc.prctl(PR_SET_THP_DISABLE, before, 0, 0, 0)


def fill(machine):
    """Lets the guest write to nearly all the memory that it has."""
    text = machine.run("cat /proc/meminfo").output
    available = int(re.search(r"MemAvailable: +(\d+) kB", text)[1]) * 1024
    count = (available - LEFT_FREE) // MIB
    machine.run("mount -o remount,size=100% /tmp && "
                f"dd if=/dev/zero of=/tmp/all bs=1M count={count}", timeout=300)
