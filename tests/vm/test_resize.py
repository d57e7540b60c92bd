# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver comes by itself, and both tiers follow their quotas: QMP, sysfs, MemTotal and the host's memory agree."""

import pytest
import tiers
from tiers import MIB, PAGE

SLACK = 2 * MIB  # of the host's memory: pages that QEMU itself or the firmware has touched in a tier


def check_views(machine):
    """What the device, the driver and the guest's kernel say of a machine that has met its quotas."""
    for name in ("size", "requested", "actual"):
        assert tiers.sysfs(machine, name) == tiers.values(machine, name), name
    assert tiers.sysfs(machine, "total") == tiers.mem_total(machine)[1]
    assert tiers.states(machine) == ["idle", "idle"]


def check_resident(machine):
    """The host holds no more of a tier than the guest has, by the device's and by the host kernel's count."""
    for number, tier in enumerate(tiers.tiers(machine)):
        host = machine.host_resident(tiers.NAMES[number])
        assert tier["resident"] <= tier["actual"] + SLACK
        assert host <= tier["actual"] + SLACK
        assert host >= tiers.node_used(machine)[number] // 2


@pytest.mark.quick
def test_autoload(guest):
    """Nothing but the device's alias loads the module: the image names it nowhere. [TM-DRV-FEAT-1]"""
    guest.run("grep -q virtio_tiermem /proc/modules")
    assert "virtio_tiermem" in guest.run("modprobe -l 2>/dev/null; find /lib/modules -name '*tiermem*'").output
    assert guest.run("grep -rl virtio.tiermem /etc", check=False).output == ""
    assert tiers.device(guest)["driver-ready"]


@pytest.mark.quick
def test_resize_follows(guest):
    """[TM-DRV-QUOTA-1] [TM-DRV-QUOTA-2] [TM-DEV-QUOTA-1] [TM-DEV-SUR-1] [TM-DEV-REC-1] [TM-DEV-CFG-9]
    [TM-DEV-CFG-12] [TM-DRV-CFG-1] [TM-DEV-QUOTA-2]"""
    whole, nodes = tiers.mem_total(guest)
    for fast, slow in ((256 * MIB, 512 * MIB), (256 * MIB, 128 * MIB), (448 * MIB, 160 * MIB), (512 * MIB, 512 * MIB)):
        tiers.resize(guest, fast, slow)
        assert tiers.values(guest, "requested") == [fast, slow]
        check_views(guest)
        check_resident(guest)
        surrendered = [512 * MIB - fast, 512 * MIB - slow]
        assert tiers.mem_total(guest) == (whole - sum(surrendered), [nodes[0] - surrendered[0], nodes[1] - surrendered[1]])
    assert tiers.mem_total(guest) == (whole, nodes)


def test_resident_shrinks(guest):
    """Memory that a program has used and freed leaves the host when the quota falls. [TM-DEV-SUR-8] [TM-DRV-SUR-1]"""
    tiers.start(guest, "hog 300 0 1", "/tmp/hog")
    tiers.until(lambda: "more_ms" in guest.run("cat /tmp/hog").output, lambda: guest.run("cat /tmp/hog").output)
    assert guest.host_resident("slow") >= 300 * MIB
    guest.run("killall hog")
    tiers.resize(guest, slow=128 * MIB)
    assert guest.host_resident("slow") <= 128 * MIB + SLACK


def test_one_page(guest):
    """A quota need not be a round number: one page less is reached exactly, and the tier's last page is given back."""
    tiers.resize(guest, slow=512 * MIB - PAGE)
    check_views(guest)
    tiers.resize(guest, slow=301 * MIB + 7 * PAGE)
    check_views(guest)


def test_quota_that_cannot_be_reached(guest):
    """The driver stops short where the guest has nothing to give, does no harm, and goes on when the quota rises.
    [TM-DRV-QUOTA-3]"""
    tiers.set_quota(guest, fast=0, slow=0)
    tiers.until(lambda: "waiting" in tiers.states(guest), lambda: tiers.states(guest))
    assert tiers.kills(guest) == 0
    assert sum(tiers.values(guest, "actual")) > 0
    tiers.resize(guest, 512 * MIB, 512 * MIB)


@tiers.newest_kernel_unless_full
def test_blocks_larger_than_pages(boot, kernel):
    """Where the host's pages are larger no less than a block is surrendered, also when all that is left to take is
    memory in use. [TM-DRV-REQ-5]"""
    machine = boot(kernel=kernel, backend="hugetlb", fast=256 * MIB, slow=256 * MIB)
    tiers.wait_probed(machine)
    machine.events()
    tiers.set_quota(machine, fast=0, slow=0)
    ended = tiers.until(lambda: set(states := tiers.states(machine)) <= {"waiting", "broken"} and states,
                        lambda: tiers.states(machine))
    assert ended == ["waiting"] * 2
    assert all(tier["actual"] % (2 * MIB) == 0 for tier in tiers.tiers(machine))
    assert [event for event in machine.events() if event["event"] == "TIERMEM_GUEST_ERROR"] == []
    tiers.resize(machine, 256 * MIB, 256 * MIB)


@pytest.mark.quick
def test_a_tier_does_not_wait_for_another(guest):
    """One tier has far to go to a quota it cannot reach: the other reaches its own all the same, and the guest learns
    of both by one change. [TM-DRV-QUOTA-4] [TM-DEV-QUOTA-3]"""
    tiers.trace(guest, "tiermem/tiermem_quota")
    tiers.set_quota(guest, fast=0, slow=128 * MIB)
    tiers.until(lambda: tiers.values(guest, "actual")[1] == 128 * MIB, lambda: tiers.tiers(guest))
    fast = tiers.tiers(guest)[0]
    assert fast["actual"] > fast["requested"] == 0
    quotas = [fields["requested"] for _, fields in tiers.traced(guest, "tiermem_quota")]
    assert quotas == ["0", str(128 * MIB // PAGE)], "one change, both tiers"


def test_few_long_ranges(guest):
    """Free memory goes in few requests of long ranges. [TM-DRV-SUR-3]"""
    tiers.trace(guest, "tiermem/tiermem_request")
    tiers.resize(guest, slow=128 * MIB)
    requests = [fields for _, fields in tiers.traced(guest, "tiermem_request")]
    ranges = sum(int(fields["ranges"]) for fields in requests)
    assert sum(int(fields["pages"]) for fields in requests) == 384 * MIB // PAGE
    assert ranges <= 384 and len(requests) <= 16, requests


def test_idle_guest_is_not_woken(guest):
    """With the quotas met nothing is done about them, and no interrupt comes (test_tiering.py has the rest of what an
    idle guest does). [TM-DRV-STAT-1] [TM-DEV-STAT-1]"""
    tiers.resize(guest, 256 * MIB, 256 * MIB)
    tiers.trace(guest, "tiermem", "workqueue/workqueue_queue_work")
    interrupts = "grep -E 'virtio[0-9]+-(config|request|stats)' /proc/interrupts"
    before = guest.run(interrupts).output
    assert before.count("\n") >= 2, "interrupts of the device by name"
    guest.run("sleep 5")
    assert guest.run(interrupts).output == before
    assert guest.run("grep -c -E 'workqueue=tiermem|tiermem_(quota|take|request|state|oom|make_room):' /sys/kernel/tracing/trace", check=False).output == "0\n"


def test_surrendered_pages_are_offline(guest):
    """What is surrendered is PageOffline, which is what dumps, /proc/kcore and compaction go by; nothing else is.
    [TM-DRV-SUR-2]"""
    tiers.resize(guest, 200 * MIB, 140 * MIB + PAGE)
    for number, size in enumerate(tiers.values(guest, "actual")):
        first = number * 512 * MIB // PAGE
        counted = guest.run(f"kpageflags {first} {first + 512 * MIB // PAGE}").output
        assert counted == f"frames={512 * MIB // PAGE} offline={(512 * MIB - size) // PAGE}\n"
    tiers.resize(guest, 512 * MIB, 512 * MIB)
    assert guest.run(f"kpageflags 0 {1024 * MIB // PAGE}").output.endswith(" offline=0\n")
