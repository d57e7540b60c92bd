# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver moves pages while everything happens to them at once: programs drop, free, protect, move, lock, fork, pin,
merge and serve their memory, the kernel swaps, scans, compacts and collapses it, CPUs go and come, quotas change all the
time, and the driver is unloaded in the middle. No content is lost, nothing complains, all counters come back."""

import os
import random
import re
import time

import exchange_kit
import pebs_perf
import pytest
import tiers
from tiermem_build import guest_kernel
from tiers import MIB

AREA = 14  # MiB of base pages of each of four workers; with what else there is some 90 MiB
ROOM = 60 * MIB  # of the fast tier for programs, beside what the kernel keeps free
STORM = 24 * MIB  # by which quotas change
FILE = 8 * MIB  # that is read and copied now and then; between, nobody uses it
DISK, COMPRESSED = 16 * MIB, 64 * MIB  # of swap: on a disk, which is filled first, and in memory
RELOAD_EVERY = 60  # seconds
LONG = 600  # seconds
LOG, END = "/tmp/chaos", "/tmp/end"
PATIENCE = 420  # seconds beyond the planned ones until all has happened, on a host that is at work
# Sums: which of its two lists a page is on is the kernel's choice, and that of the initramfs' files changes.
STATISTICS = (["nr_anon_pages"], ["nr_mlock"], ["nr_inactive_anon", "nr_active_anon"], ["nr_page_table_pages"])
# Pages swapped, entries scanned for NUMA balancing, merged pages that were written to, pages looked at by compaction.
HAPPENS = ("pswpout", "numa_pte_updates", "cow_ksm", "compact_migrate_scanned")
COLLAPSES = ("thp_collapse_alloc",)  # which comes seldom, and not always with success: in the long runs
SMALL = 1024  # pages by which an idle guest differs between two looks
TIERING = f"{tiers.SYSFS}/tiering"
DEADLINES = "at kernel/sched/deadline.c"  # of the kernel's complaints; see check_dying_cpus()
# vCPUs that get no time for long look to the guest as if they were stuck.
WORDS = "no_timer_check nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"

BACKGROUND = f"""{pebs_perf.NO_THROTTLING}
modprobe virtio_blk; modprobe zram; echo {COMPRESSED} >/sys/block/zram0/disksize
for disk in vda zram0; do mkswap /dev/$disk && swapon /dev/$disk || exit; done
echo 1 >/proc/sys/kernel/numa_balancing
cd /sys/kernel/debug/sched/numa_balancing && echo 100 >scan_period_min_ms && echo 50 >scan_delay_ms
echo 200 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
cd /sys/kernel/mm/ksm && echo 500 >pages_to_scan && echo 50 >sleep_millisecs && echo 1 >run
( while sleep 1; do echo 1 >/proc/sys/vm/compact_memory; done ) >/dev/null 2>&1 & echo $! >/tmp/background
( while :; do for cpu in 2 3; do for on in 0 1; do
    echo $on >/sys/devices/system/cpu/cpu$cpu/online && echo $on >>/tmp/plugged; sleep 0.7
done; done; done ) >/dev/null 2>&1 & echo $! >>/tmp/background
mkdir -p /tmp/files && mount -t tmpfs none /tmp/files && cd /tmp/files && head -c {FILE} /dev/urandom >kept && md5sum <kept >/tmp/sum
( sum=$(md5sum <kept); while sleep 15; do
    cp kept copy && [ "$(md5sum <copy)" = "$sum" ] && echo right || echo wrong; rm copy
done ) >/tmp/read 2>&1 & echo $! >>/tmp/background
"""
CALM = """kill $(cat /tmp/background); until umount /tmp/files; do sleep 0.2; done; echo 0 >/proc/sys/kernel/numa_balancing; echo 2 >/sys/kernel/mm/ksm/run
for cpu in 2 3; do echo 1 >/sys/devices/system/cpu/cpu$cpu/online; done
swapoff /dev/zram0 && swapoff /dev/vda"""


def exchanged(machine):
    return int(machine.run(f"awk '$1 == \"exchanged\" {{ print $2 }}' {TIERING}/outcomes").output)


def kept(machine):
    """Bytes of the fast node that processes cannot get: what each zone keeps free, and keeps for lower zones."""
    text = machine.run("cat /proc/zoneinfo").output
    zones = re.findall(r"^Node 0, zone.*?(?=^Node|\Z)", text, re.M | re.S)
    return sum(int(re.search(r"^ +low +(\d+)", zone, re.M)[1]) +
               int(re.search(r"protection: \(.*?(\d+)\)", zone)[1]) for zone in zones) * tiers.PAGE


class Storm:
    """Quotas that change all the time; what they end at does not matter."""

    def __init__(self, machine):
        self.machine = machine
        self.fast = (tiers.node_taken(machine)[0] + kept(machine) + ROOM) // (4 * MIB) * 4 * MIB
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
    """For so many seconds, and until everything has happened. Returns (exchanged, quota changes, reloads)."""
    storm, begin, before = Storm(machine), time.monotonic(), []
    pause = min(seconds / 2, RELOAD_EVERY)

    def found():
        assert tiers.finished(machine, LOG) is None, machine.run(f"cat {LOG}").output
        return exchanged(machine)
    while time.monotonic() < begin + seconds or not before or not found():
        assert time.monotonic() < begin + seconds + PATIENCE, f"exchanged {before}, {found()}\n{describe(machine)}"
        storm.blow()
        if time.monotonic() > begin + pause * (len(before) + 1) and found():
            before.append(reload(machine))
    return sum(before) + exchanged(machine), storm.changes, len(before)


def describe(machine):
    return machine.run(f"head -40 {TIERING}/* {tiers.SYSFS}/sampler/* 2>&1; tail -3 /tmp/plugged", check=False).output


def check_programs(machine, seconds):
    """They end, and have found everything as they had left it."""
    machine.run(f"touch {END}")
    status, output = tiers.until(lambda: tiers.finished(machine, LOG), lambda: machine.run(f"cat {LOG}").output, PATIENCE)
    print(output)
    news = [] if machine.config.kernel == "6.1" else ["moved"]  # what older kernels cannot do
    lines = [exchange_kit.values(line) for line in output.splitlines()]
    assert status == 0 and len(lines) == 2, output
    for line in lines:
        assert line["wrong"] == 0, output
        for what in ("checked", "piped", "pinned", "twins", "served", "unprotected", *news):
            assert line[what] > 0, output
    # Of what was huge before, too: see COLLAPSES.
    assert seconds < LONG or sum(line["collapsed"] for line in lines) > 0, output


def check_dying_cpus(machine):
    """6.12 counts the scheduler's server for fair tasks among what runs on a CPU, and stops it only after having checked
    that nothing but the stopper runs there any more (sched_cpu_dying()): now and then it complains. Of such complaints
    each must name the stopper alone; any other task would be left behind on a dead CPU. Where it stops the server it has
    seldom lost count of the server's bandwidth, and complains of that."""
    complained = machine.console.count("Dying CPU not properly vacated!")
    left = re.findall(r"CPU\d+ enqueued tasks \((\d+) total\):((?:\n.*\tpid: .*)*)", machine.console)
    print(f"{len(left)} complaints of the scheduler's own server")
    assert len(left) >= complained
    for total, tasks in left:
        names = re.findall(r"name: (.*)", tasks)
        assert total == "2" and len(names) == 1 and names[0].startswith("migration/"), tasks
    for trace in re.findall(rf"{DEADLINES}.*?\[ end trace", machine.console, re.S):
        assert re.search(r"^ dl_server_stop\+.*\n sched_cpu_dying\+", trace, re.M), trace


def chaos(machine, seconds):
    if machine.config.kernel != "6.1":  # that has no such server
        machine.known_complaints = ("sched_cpu_dying", DEADLINES)
    tiers.wait_probed(machine)
    before = tiers.settled(machine)
    machine.run(BACKGROUND, timeout=PATIENCE)
    tiers.start(machine, f"tiering-chaos {AREA} {END}", LOG)
    moved, changes, reloads = rage(machine, seconds)
    print(describe(machine))
    check_programs(machine, seconds)
    read = machine.run("cat /tmp/read 2>/dev/null").output.split()
    assert set(read) <= {"right"}, read
    kept = machine.run("md5sum </tmp/files/kept").output
    assert kept == machine.run("cat /tmp/sum").output
    print(f"a file that is idle for 15 seconds was read {len(read)} times")
    machine.run(CALM, timeout=PATIENCE)
    tiers.resize(machine, machine.config.fast, machine.config.slow)
    after = tiers.settled(machine)
    plugged = len(machine.run("cat /tmp/plugged").output.split())
    happened = tiers.growth(before, after, HAPPENS + (COLLAPSES if seconds >= LONG else ()))
    print(f"{moved} pairs exchanged, {changes} quota changes, {reloads} reloads, CPUs off or on {plugged} times, {happened}")
    assert plugged > 1 and all(happened.values())
    for names in STATISTICS:
        assert abs(sum(after[name] - before[name] for name in names)) < SMALL, names
    assert after["nr_anon_transparent_hugepages"] == before["nr_anon_transparent_hugepages"]
    check_dying_cpus(machine)


FULL = pytest.mark.full
RUNS = [pytest.param("6.12", 25, id="6.12-25s"), pytest.param("debug", 25, id="debug-25s"),
        pytest.param("6.1", LONG, id="6.1-10min", marks=FULL), pytest.param("6.12", LONG, id="6.12-10min", marks=FULL),
        pytest.param("debug", 1800, id="debug-30min", marks=FULL)]


def compressors(kernel):
    """What zram compresses with by itself, where it does not come with zram."""
    return [guest_kernel.fetch(kernel).modules / "kernel/crypto/lzo-rle.ko"] if kernel == "6.1" else []


@pytest.mark.parametrize("kernel,seconds", RUNS)
def test_chaos(boot, tmp_path, request, kernel, seconds):
    if kernel == "debug":
        tiers.need_debug_kernel(request)
    cpu = pebs_perf.CPUS["skylake" if kernel == "6.1" else "icelake"]
    disk = tmp_path / "swap"
    disk.touch()
    os.truncate(disk, DISK)
    chaos(boot(kernel=kernel, cpu=cpu, accel="tcg", tiermem_options="cpu-budget=1000", fast=512 * MIB, slow=640 * MIB,
               cpus=4, append=WORDS, add=exchange_kit.build_programs(), modules=compressors(kernel), **pebs_perf.qemu(),
               qemu_args=["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]), seconds)
