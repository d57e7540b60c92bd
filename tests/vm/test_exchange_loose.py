# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchanger with loose folios in real guests: mapped pages trade places with page cache that is mapped nowhere, or move
into fresh pages. Contents, places and all that the kernel counts are right, and what may not be exchanged is left alone."""

import os
import re
import subprocess

import exchange_kit
import pytest
import tiers
from tiermem_vm import Config, Machine

PAGES = 2048
SLACK = 256  # pages by which the guest's background and the programs that look may change a counter
FAST, SLOW = 0, 1
TO = {"hot": FAST, "cold": SLOW}  # where the mapped page goes
FOLDERS = {"memory": "/mnt/memory", "disk": "/mnt/disk"}  # tmpfs and ext4
HUGE = "/mnt/huge"
GO, LOG = "/tmp/go", "/tmp/loose"
DISK = 64 << 20
STATISTICS_LATE = 3  # seconds: those of cgroups are gathered every two
DROPPED_PAGES, DROPPED = 512, 6000
STORM_PAIRS, STORM_ROUNDS = 6000, 50
PREPARE = f"""modprobe virtio_blk; modprobe {exchange_kit.NAME}
mkdir -p {FOLDERS["memory"]} {FOLDERS["disk"]} {HUGE} && mkfifo {GO} && echo +memory >/sys/fs/cgroup/cgroup.subtree_control &&
mount -t tmpfs none {FOLDERS["memory"]} && mount -t tmpfs -o huge=always none {HUGE} && mount -t ext4 /dev/vda {FOLDERS["disk"]}
"""
# What a test that failed has left.
CLEAN = f"""killall -9 exchange-loose exchange-loose-storm; kill $(cat /tmp/background); sleep 0.2
rm -f {LOG}* /tmp/background {FOLDERS["memory"]}/* {FOLDERS["disk"]}/file; rmdir /sys/fs/cgroup/loose-*; true"""
# 5: drop page cache, and do not say so every time.
BACKGROUND = """( while sleep 0.3; do echo 1 >/proc/sys/vm/compact_memory; echo 5 >/proc/sys/vm/drop_caches; done ) >/dev/null 2>&1 &
echo $! >/tmp/background"""
CASES = {
    "mapped": "mapping", "mapped-disk": "mapping", "spliced": "late", "spliced-disk": "late", "dirty-disk": "special",
    "punched": "referenced", "punched-disk": "referenced", "huge": "size", "pretend-dirty": "writeback",
    "pretend-writeback": "writeback", "pretend-unevictable": "locked", "page-locked": "page_busy",
    "page-locked-disk": "page_busy", "page-locked-fresh": "page_busy", "referenced": "late", "referenced-disk": "late",
    "referenced-fresh": "referenced", "mbind": "policy", "mbind-fresh": "policy", "mlock": "locked",
    "shared-mapping": "mapping", "notifier": "notifier",
}
# What is dirty in memory only is nobody's to write.
EXCHANGED = ["mapped-before", "mapped-before-disk", "dirty", "good", "good-disk", "good-fresh"]
MISSING = ["beyond-end", "truncated"]

sides = pytest.mark.parametrize("side", TO)
kinds = pytest.mark.parametrize("kind", FOLDERS)


@pytest.fixture
def machine(machines, kernel, tmp_path_factory):
    if kernel not in machines:
        disk = tmp_path_factory.mktemp("disk") / "ext4"
        disk.touch()
        os.truncate(disk, DISK)
        subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
        drive = ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
        machines[kernel] = Machine(Config(**exchange_kit.settings(kernel, qemu_args=drive)), f"loose-{kernel}").start()
        machines[kernel].run(PREPARE)
    machines[kernel].run(CLEAN)
    yield machines[kernel]
    assert machines[kernel].complaints() == []


def count(machine):
    """{name: [pages on node 0, on node 1]} of what the kernel counts by node, exact as far as it stands still."""
    text = machine.run("echo 1 >/proc/sys/vm/stat_refresh; cat /sys/devices/system/node/node[01]/meminfo").output
    found = {}
    for name, kib in re.findall(r"^Node [01] (\S+): +(\d+) kB", text, re.M):
        found.setdefault(name, []).append(int(kib) // 4)
    return {"anon": found["AnonPages"], "file": found["FilePages"], "shmem": found["Shmem"],
            "free": [free + listed // tiers.PAGE for free, listed in zip(found["MemFree"], tiers.on_cpu_lists(machine))],
            "anon lists": [sum(pages) for pages in zip(found["Active(anon)"], found["Inactive(anon)"])],
            "file lists": [sum(pages) for pages in zip(found["Active(file)"], found["Inactive(file)"])]}


def count_settled(machine):
    """The same when no program of the tests is there, and no page cache that could be dropped."""
    machine.run("sync; echo 3 >/proc/sys/vm/drop_caches")
    return count(machine)


def count_in_cgroup(machine, name):
    """{name: pages by node} of a cgroup's memory, and "current": [pages]."""
    text = machine.run(f"cd /sys/fs/cgroup/{name} && echo current N0=$(cat memory.current) && cat memory.numa_stat").output
    return {line.split()[0]: [int(size) // tiers.PAGE for size in re.findall(r"N\d=(\d+)", line)]
            for line in text.splitlines()}


def assert_grown(before, after, pages):
    """What has grown by `pages` of each name on the fast node and has shrunk as much on the slow one, and nothing else."""
    for name in before:
        wanted = [pages.get(name, 0), -pages.get(name, 0)]
        grown = [new - old for old, new in zip(before[name], after[name])]
        assert all(abs(found - page) < SLACK for found, page in zip(grown, wanted)), (name, grown, wanted)


def assert_all_back(machine, at_first):
    """All is as it was before the test's program and file; the kernel may have got rid of more of its own."""
    now = count_settled(machine)
    now["free"] = [min(pages) for pages in zip(at_first["free"], now["free"])]
    assert_grown(at_first, now, {})


class Exchange:
    """A program that exchanges when it is told, and stays until it is told to end."""

    def __init__(self, machine, words, enter=""):
        self.machine = machine
        tiers.start(machine, f"{enter}exchange-loose {words} {GO}", LOG)
        self.wait(1)

    def wait(self, lines):
        def printed():
            assert tiers.finished(self.machine, LOG) is None, self.text()
            return self.text().count("\n") >= lines
        tiers.until(printed, self.text)

    def text(self):
        return self.machine.run(f"cat {LOG}").output

    def exchange(self):
        """What has become of it. Every word of content must be right, and every page where it should be."""
        self.machine.run(f"echo >{GO}")
        self.wait(2)
        found = exchange_kit.values(self.text())
        assert (found["wrong"], found["missing"]) == (0, 0), found
        assert found["exchanged"] == found["anon"] == PAGES, found
        return found

    def end(self):
        self.machine.run(f"echo >{GO}")
        status, _ = tiers.until(lambda: tiers.finished(self.machine, LOG), self.text)
        self.machine.run(f"rm {LOG} {LOG}.status")
        assert status == 0


def shifts(side, kind):
    """By how many pages which count of the fast node grows, at the cost of the slow one."""
    sign = 1 if TO[side] == FAST else -1
    if kind == "memory":  # which is on the lists of anonymous memory, too
        return {"anon": sign * PAGES, "file": -sign * PAGES, "shmem": -sign * PAGES}
    return {"anon": sign * PAGES, "file": -sign * PAGES, "anon lists": sign * PAGES, "file lists": -sign * PAGES}


@kinds
@sides
def test_page_cache(machine, kind, side):
    path = f"{FOLDERS[kind]}/file"
    at_first = count_settled(machine)
    machine.run(f"exchange-loose make {path} {PAGES} {TO[side]}")
    program = Exchange(machine, f"trade {path} {PAGES} {side}")
    before = count(machine)
    found = program.exchange()
    assert found["file"] == PAGES
    assert_grown(before, count(machine), shifts(side, kind))
    program.end()
    machine.run(f"rm {path}")
    assert_all_back(machine, at_first)


@sides
def test_fresh_pages(machine, side):
    at_first = count_settled(machine)
    program = Exchange(machine, f"move {PAGES} {side}")
    before = count(machine)
    program.exchange()
    sign = 1 if TO[side] == FAST else -1
    assert_grown(before, count(machine), {"anon": sign * PAGES, "anon lists": sign * PAGES, "free": -sign * PAGES})
    program.end()
    assert_all_back(machine, at_first)


def dying(machine):
    return int(machine.run("echo 3 >/proc/sys/vm/drop_caches; "
                           "awk '$1 == \"nr_dying_descendants\" { print $2 }' /sys/fs/cgroup/cgroup.stat").output)


@kinds
def test_memory_cgroups(machine, kind):
    """The file is charged to one cgroup, the program to another: each keeps what it has, on the other node."""
    path, cgroups = f"{FOLDERS[kind]}/file", ["loose-file", "loose-program"]
    dying_at_first = dying(machine)
    machine.run("cd /sys/fs/cgroup && mkdir " + " ".join(cgroups))
    machine.run(f"( {tiers.enter(cgroups[0])} exec exchange-loose make {path} {PAGES} {FAST} )")
    program = Exchange(machine, f"trade {path} {PAGES} hot", tiers.enter(cgroups[1]))

    def look():
        machine.run(f"sleep {STATISTICS_LATE}")
        return [count_in_cgroup(machine, name) for name in cgroups]
    before = look()
    assert before[0]["file"][FAST] >= PAGES and before[1]["anon"][SLOW] >= PAGES
    program.exchange()
    after = look()
    for old, new, wanted in zip(before, after, ({"file": -PAGES, "shmem": -PAGES if kind == "memory" else 0},
                                                {"anon": PAGES})):
        names = ("current", "anon", "file", "shmem")
        assert_grown({name: old[name] for name in names}, new, wanted)
    program.end()
    machine.run(f"rm {path}; sync; echo 3 >/proc/sys/vm/drop_caches")
    for left in look():
        assert all(max(left[name]) < SLACK for name in ("current", "anon", "file", "shmem")), left
    machine.run("cd /sys/fs/cgroup && rmdir " + " ".join(cgroups))
    # One that has pages left would stay, unseen.
    tiers.until(lambda: dying(machine) <= dying_at_first, lambda: f"{dying(machine)} cgroups have not gone")


def test_each_refusal(machine):
    lines = machine.run(f"exchange-loose refusals {FOLDERS['memory']} {HUGE} {FOLDERS['disk']}", timeout=200).output
    found = {line.split()[0]: exchange_kit.values(line) for line in lines.splitlines()}
    assert {name: case.get("outcome", "missing") for name, case in found.items()} == {
        **CASES, **dict.fromkeys(EXCHANGED, "exchanged"), **dict.fromkeys(MISSING, "missing")}
    for name in MISSING:
        assert found.pop(name)["missing"] == 1, name
    for name, case in found.items():
        assert (case["counted"], case["wrong"]) == (1, 0), name
        assert case["places"] == ("changed" if name in EXCHANGED else "same"), name


@kinds
def test_memory_that_is_dropped_under_way(machine, kind):
    """Whoever drops a page that is under way counts it for what its program had, not for what it trades with: else the
    kernel complains when the program ends."""
    path = f"{FOLDERS[kind]}/file"
    at_first = count_settled(machine)
    output = machine.run(f"exchange-loose drop {path} {DROPPED_PAGES} {DROPPED}", timeout=300).output
    print(output)
    found = exchange_kit.values(output)
    assert found["wrong"] == 0 and found["zapped"] >= DROPPED and found["exchanged"] > DROPPED_PAGES
    machine.run(f"rm {path}")
    assert_all_back(machine, at_first)


@kinds
def test_storm(machine, kind):
    """Programs use both meanwhile, and the kernel migrates and drops pages."""
    path = f"{FOLDERS[kind]}/file"
    at_first = count_settled(machine)
    machine.run(BACKGROUND)
    output = machine.run(f"exchange-loose-storm {path} {STORM_PAIRS} {STORM_ROUNDS}", timeout=600).output
    machine.run("kill $(cat /tmp/background) && rm /tmp/background")
    print(output)
    found = {line.split("=")[0]: exchange_kit.values(line) for line in output.splitlines()}
    assert found["checked"]["wrong"] == 0 < found["checked"]["checked"]
    for what in ("hot", "cold", "fresh"):
        assert found[what][what] >= STORM_PAIRS, what
    # The file and the memory were in use.
    for what in ("missing", "absent", "shared"):
        assert sum(found[line].get(what, 0) for line in ("hot", "cold")) > 0, what
    machine.run(f"rm {path}")
    assert_all_back(machine, at_first)
