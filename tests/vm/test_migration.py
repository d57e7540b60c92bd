# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots and live migration: quotas, quality of service and what is surrendered come along."""

import programs
import pytest
import tiers
from tiermem_vm import MachineError
from tiers import MIB, PAGE

NODE = 512 * MIB
SIZES = {"fast": NODE, "slow": NODE}
LOG = "/tmp/pattern"


def end_pattern(machine):
    """Both processes of `pattern` have found all of their content."""
    machine.run("killall -TERM pattern")
    status, output = tiers.until(lambda: tiers.finished(machine, LOG), lambda: "pattern still runs")
    assert status == 0 and output.count("mismatches=0") == 2, output


def events_of_guest_errors(machine):
    return [event for event in machine.events() if event["event"] == "TIERMEM_GUEST_ERROR"]


@tiers.newest_kernel_unless_full
def test_snapshot(boot, kernel):
    """savevm with much surrendered, then everything changes, then loadvm: as it was. [TM-DEV-SUR-3]"""
    machine = boot(kernel=kernel, snapshots=True, fast=256 * MIB, slow=256 * MIB, add=programs.all_programs())
    machine.wait_driver()
    tiers.start(machine, "pattern 3600 60 20", LOG)
    tiers.resize(machine, 256 * MIB, 128 * MIB)
    total = tiers.mem_total(machine)
    assert machine.hmp("savevm before") == ""

    tiers.resize(machine, 200 * MIB, 256 * MIB)
    assert machine.hmp("loadvm before") == ""
    assert tiers.values(machine, "requested") == tiers.values(machine, "actual") == [256 * MIB, 128 * MIB]
    assert machine.host_resident("slow") <= 128 * MIB + 2 * MIB
    assert tiers.mem_total(machine) == total
    tiers.resize(machine, 160 * MIB, 200 * MIB)
    end_pattern(machine)
    assert events_of_guest_errors(machine) == []


@tiers.newest_kernel_unless_full
def test_live_migration_in_the_middle_of_a_resize(boot, kernel):
    """The guest goes on with its resize at the destination, whose own quotas are the source's from then on."""
    settings = {"kernel": kernel, **SIZES, "add": programs.all_programs()}
    source = boot(**settings)
    source.wait_driver()
    source.qmp("tiermem-set-qos", id="tm0", **{"class": "guaranteed"}, weight=7, fast_min=16 * MIB, cpu_budget=123)
    whole = tiers.mem_total(source)[0]
    tiers.start(source, "pattern 3600 200 40", LOG)
    tiers.resize(source, 400 * MIB, NODE)
    target = boot(**settings, incoming=True, fast_quota=100 * MIB, slow_quota=NODE)

    source.begin_migration(target)
    tiers.set_quota(source, 200 * MIB, 300 * MIB)
    tiers.set_quota(source, 256 * MIB, 256 * MIB)
    source.end_migration(target)
    target.agents, source.agents = target.agents, []
    assert tiers.values(target, "requested") == [256 * MIB, 256 * MIB]
    qos = tiers.device(target)["qos"]
    assert (qos["class"], qos["weight"], qos["fast-min"], qos["cpu-budget"]) == ("guaranteed", 7, 16 * MIB, 123)

    tiers.wait_reached(target)
    assert tiers.mem_total(target)[0] == whole - (2 * NODE - 512 * MIB)
    for number, tier in enumerate(tiers.tiers(target)):
        assert target.host_resident(tiers.NAMES[number]) <= tier["actual"] + 2 * MIB
    tiers.resize(target, NODE, 400 * MIB)
    end_pattern(target)
    tiers.resize(target, NODE, NODE)
    assert tiers.mem_total(target)[0] == whole
    assert events_of_guest_errors(source) + events_of_guest_errors(target) == []


@tiers.newest_kernel_unless_full
def test_surrendered_pages_are_not_sent(boot, kernel):
    """Of a guest whose memory was all in use once, the migration sends what is left to it."""
    settings = {"kernel": kernel, **SIZES, "add": programs.all_programs()}
    source = boot(**settings)
    source.wait_driver()
    tiers.start(source, "hog 700 0", "/tmp/hog")
    tiers.until(lambda: "more_ms" in source.run("cat /tmp/hog").output, lambda: "hog touches memory")
    source.run("killall hog")
    tiers.resize(source, 200 * MIB, 100 * MIB)
    target = boot(**settings, incoming=True)
    source.migrate_to(target)
    ram = source.qmp("query-migrate")["ram"]
    sent = ram["normal"] + ram["duplicate"]
    # Pages of firmware and devices, and those that are written while it is sent, come on top of what is left.
    assert sent <= (300 + 100) * MIB // PAGE, f"{sent} pages sent of {2 * NODE // PAGE}: {ram}"
    tiers.wait_reached(target)
    assert tiers.values(target, "actual") == [200 * MIB, 100 * MIB]


@pytest.mark.parametrize("settings,words", [
    ({"tiermem_options": "fast-node=1,slow-node=0"}, ["property 'fast-node' differs", "the node is 0", "1 here"]),
    ({"fast": NODE // 2, "slow": NODE * 3 // 2}, ["fast"]),
    ({"tiermem_options": "reclaim-on-oom=off"}, ["virtio-tiermem"]),
], ids=["nodes swapped", "other sizes", "feature not offered"])
def test_wrong_destination(boot, settings, words):
    """Refused, with the name of what differs; the guest runs on at the source."""
    source = boot(kernel="6.12", fast_quota=300 * MIB, add=programs.all_programs())
    source.wait_driver()
    target = boot(**{**SIZES, "kernel": "6.12", "incoming": True, **settings})
    with pytest.raises(MachineError):
        source.migrate_to(target)
    tiers.until(lambda: target.process.poll() is not None, lambda: "the destination still waits")
    said = target.place.errors.read_text()
    assert all(word in said for word in words), said
    tiers.until(lambda: source.qmp("query-status")["status"] == "running" or source.qmp("cont") and False, lambda: "paused")
    assert source.run("echo lives").output == "lives\n"
    tiers.resize(source, 200 * MIB, 300 * MIB)
