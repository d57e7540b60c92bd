# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver moves pages while everything happens to them at once: programs drop, free, protect, move, lock, fork, pin,
merge and serve their memory, the kernel swaps, scans, compacts and collapses it, CPUs go and come, quotas change all the
time, and the driver is unloaded in the middle. No content is lost, nothing complains, all counters come back."""

import random
import time

import exchange_kit
import pebs_perf
import pytest
import tiers
from tiers import MIB

AREA = 14  # MiB of base pages of each of four workers; with what else there is some 90 MiB
ROOM = 112 * MIB  # of the fast tier for programs, what the kernel keeps free (50 MiB) included
STORM = 24 * MIB  # by which quotas change
LOG, END = "/tmp/chaos", "/tmp/end"
PATIENCE = 420  # seconds beyond the planned ones until all has happened, on a host that is at work
# Sums: which of its two lists a page is on is the kernel's choice, and that of the initramfs' files changes.
STATISTICS = (["nr_anon_pages"], ["nr_mlock"], ["nr_inactive_anon", "nr_active_anon"], ["nr_page_table_pages"])
SMALL = 1024  # pages by which an idle guest differs between two looks
TIERING = f"{tiers.SYSFS}/tiering"
# vCPUs that get no time for long look to the guest as if they were stuck.
WORDS = "no_timer_check nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"

BACKGROUND = f"""{pebs_perf.NO_THROTTLING}
modprobe zram; cd /sys/block/zram0 && echo 64M >disksize && mkswap /dev/zram0 && swapon /dev/zram0
echo 1 >/proc/sys/kernel/numa_balancing
cd /sys/kernel/debug/sched/numa_balancing && echo 100 >scan_period_min_ms && echo 50 >scan_delay_ms
echo 200 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
cd /sys/kernel/mm/ksm && echo 500 >pages_to_scan && echo 50 >sleep_millisecs && echo 1 >run
( while sleep 1; do echo 1 >/proc/sys/vm/compact_memory; done ) >/dev/null 2>&1 & echo $! >/tmp/background
( while :; do for cpu in 2 3; do for on in 0 1; do
    echo $on >/sys/devices/system/cpu/cpu$cpu/online && echo $on >>/tmp/plugged; sleep 0.7
done; done; done ) >/dev/null 2>&1 & echo $! >>/tmp/background
"""
CALM = """kill $(cat /tmp/background); echo 0 >/proc/sys/kernel/numa_balancing; echo 2 >/sys/kernel/mm/ksm/run
for cpu in 2 3; do echo 1 >/sys/devices/system/cpu/cpu$cpu/online; done
swapoff /dev/zram0"""


def exchanged(machine):
    return int(machine.run(f"awk '$1 == \"exchanged\" {{ print $2 }}' {TIERING}/outcomes").output)


class Storm:
    """Quotas that change all the time; what they end at does not matter."""

    def __init__(self, machine):
        self.machine = machine
        self.fast = (tiers.node_taken(machine)[0] + ROOM) // (4 * MIB) * 4 * MIB
        self.slow = machine.config.slow
        self.random = random.Random(7)
        self.changes = 0

    def blow(self):
        less = [self.random.randrange(0, STORM, 4 * MIB) for _ in range(2)]
        tiers.set_quota(self.machine, self.fast - less[0], self.slow - less[1])
        self.changes += 1
        time.sleep(self.random.uniform(0.1, 1))


def reload(machine):
    """The driver goes and comes back; what it had exchanged is returned."""
    before, bound = exchanged(machine), machine.console.count(" tier 1: node 1, ")
    machine.run("rmmod virtio_tiermem", timeout=PATIENCE)
    machine.run("modprobe virtio_tiermem || insmod /lib/modules/$(uname -r)/updates/virtio_tiermem.ko", timeout=PATIENCE)
    tiers.wait_probed(machine, bound + 1)
    return before


def rage(machine, seconds):
    """For so many seconds, and until everything has happened. Returns (exchanged, quota changes)."""
    storm, begin, before = Storm(machine), time.monotonic(), None

    def found():
        assert tiers.finished(machine, LOG) is None, machine.run(f"cat {LOG}").output
        return exchanged(machine)
    while time.monotonic() < begin + seconds or before is None or not found():
        assert time.monotonic() < begin + seconds + PATIENCE, f"exchanged {before}, {found()}\n{describe(machine)}"
        storm.blow()
        if before is None and time.monotonic() > begin + seconds / 2 and found():
            before = reload(machine)
    return before + exchanged(machine), storm.changes


def describe(machine):
    return machine.run(f"head -40 {TIERING}/* {tiers.SYSFS}/sampler/* 2>&1; tail -3 /tmp/plugged", check=False).output


def check_programs(machine):
    """They end, and have found everything as they had left it."""
    machine.run(f"touch {END}")
    status, output = tiers.until(lambda: tiers.finished(machine, LOG), lambda: machine.run(f"cat {LOG}").output, PATIENCE)
    print(output)
    lines = [exchange_kit.values(line) for line in output.splitlines()]
    assert status == 0 and len(lines) == 2, output
    for line in lines:
        assert line["wrong"] == 0, output
        for what in ("checked", "pinned", "twins", "served", "unprotected"):
            assert line[what] > 0, output


def chaos(machine, seconds):
    tiers.wait_probed(machine)
    before = tiers.settled(machine)
    machine.run(BACKGROUND, timeout=PATIENCE)
    tiers.start(machine, f"tiering-chaos {AREA} {END}", LOG)
    moved, changes = rage(machine, seconds)
    print(describe(machine))
    check_programs(machine)
    machine.run(CALM, timeout=PATIENCE)
    tiers.resize(machine, machine.config.fast, machine.config.slow)
    after = tiers.settled(machine)
    plugged = len(machine.run("cat /tmp/plugged").output.split())
    print(f"{moved} pairs exchanged, {changes} quota changes, CPUs off or on {plugged} times,"
          f" {after['pswpout'] - before['pswpout']} pages swapped out,"
          f" {after['numa_pte_updates'] - before['numa_pte_updates']} entries scanned")
    assert plugged > 1 and after["numa_pte_updates"] > before["numa_pte_updates"]
    for names in STATISTICS:
        assert abs(sum(after[name] - before[name] for name in names)) < SMALL, names
    assert after["nr_anon_transparent_hugepages"] == before["nr_anon_transparent_hugepages"]


FULL = pytest.mark.full
RUNS = [pytest.param("6.12", 25, id="6.12-25s"),
        pytest.param("6.1", 600, id="6.1-10min", marks=FULL), pytest.param("6.12", 600, id="6.12-10min", marks=FULL)]


@pytest.mark.parametrize("kernel,seconds", RUNS)
def test_chaos(boot, kernel, seconds):
    cpu = pebs_perf.CPUS["skylake" if kernel == "6.1" else "icelake"]
    chaos(boot(kernel=kernel, cpu=cpu, accel="tcg", tiermem_options="cpu-budget=1000", fast=512 * MIB, slow=640 * MIB,
               cpus=4, append=WORDS, add=exchange_kit.build_programs(), **pebs_perf.qemu()), seconds)
