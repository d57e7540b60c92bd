# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that runs out of memory while the host has some of it: it gets that back, and no fight begins."""

import re

import programs
import pytest
import tiers
from tiers import MIB

BLOCK = 4 * MIB  # quotas are multiples of it
MORE = 160  # MiB that a process asks for: more than is LEFT and than the kernel finds besides, less than is surrendered
LEFT = 100  # MiB free before it does: above the watermarks, which are 50 MiB with huge pages on
BASE = 60  # MiB that it can take of either node before
CALM = 5.0  # s: the least that the driver lies low after an OOM (PRESSURE_MIN in governor.c)
MANY = 10  # OOMs in one episode; MORE takes four at most (16, 32, 64, 128 MiB), a livelock thousands
LOG = "/tmp/hog"
SURRENDER = "1"  # a request's type, as VIRTIO_TIERMEM_REQ_SURRENDER of spec/virtio_tiermem.h


def quotas(machine):
    """Quotas with room for BASE and LEFT on each node, wherever the kernel and its initramfs lie."""
    return [(taken // MIB + LEFT + BASE) * MIB // BLOCK * BLOCK for taken in tiers.node_taken(machine)]


def room(machine, node):
    """MiB that a process can take and leave LEFT on its node, or on both."""
    free = [free + listed for free, listed in zip(tiers.sysfs(machine, "free"), tiers.on_cpu_lists(machine))]
    return (sum(free) if node is None else free[node]) // MIB - LEFT


def start_hog(machine, base, node=None):
    """A process that has taken `base` MiB and waits for a word to go on."""
    machine.run("rm -f /tmp/go; mkfifo /tmp/go")
    tiers.start(machine, f"hog {base} {MORE} {'' if node is None else node} <>/tmp/go", LOG)
    tiers.until(lambda: "base" in output(machine), lambda: output(machine))


def output(machine):
    return machine.run(f"cat {LOG} 2>/dev/null", check=False).output


def take_more(machine):
    """Lets the process take MORE; returns its guest milliseconds, or None if it was killed."""
    machine.run("echo >/tmp/go")
    tiers.until(lambda: "more_ms" in output(machine) or tiers.finished(machine, LOG), lambda: output(machine))
    found = re.search(r"more_ms=(\d+)", output(machine))
    return int(found[1]) if found else None


def episode(machine, node=None):
    """One process gets MORE from the host; returns how long it took, with the guest's trace running."""
    tiers.resize(machine, *quotas(machine))
    tiers.trace(machine, "tiermem")  # before memory is short: its buffer takes 16 MiB
    start_hog(machine, room(machine, node), node)
    assert tiers.traced(machine, "tiermem_oom") == [], f"pressure so soon: {tiers.tiers(machine)} {output(machine)}"
    assert tiers.reached(machine), f"{tiers.tiers(machine)} {tiers.states(machine)}"
    machine.events()
    return take_more(machine)


def undisturbed(machine):
    """Guest milliseconds for MORE where there is plenty: what the emulated machine itself takes just now."""
    tiers.resize(machine, machine.config.fast, machine.config.slow)
    start_hog(machine, 1)
    took = take_more(machine)
    end_hog(machine)
    return took


def end_hog(machine):
    """Kills the process and waits until its memory is back."""
    machine.run("killall -9 hog", check=False)
    tiers.until(lambda: tiers.finished(machine, LOG), lambda: output(machine))


def surrenders(machine):
    return [(when, fields) for when, fields in tiers.traced(machine, "tiermem_request") if fields["type"] == SURRENDER]


def reclaimed(machine):
    """Bytes that OOMs have got back."""
    return sum(int(fields["reclaimed"]) for _, fields in tiers.traced(machine, "tiermem_oom")) * tiers.PAGE


def ooms_until_calm(machine):
    """How many there were when none came for 12 s of guest time, in which the first back-off ends. The last one may have
    brought just enough: then the shell that looks, or sleeps, is who needs the next."""
    before, ooms = -1, len(tiers.traced(machine, "tiermem_oom"))
    while before != ooms <= MANY:
        machine.run("sleep 12")
        before, ooms = ooms, len(tiers.traced(machine, "tiermem_oom"))
    return ooms


def check_no_fight(machine, killed_before):
    """While the process holds its memory: few OOMs were enough, and no more come. What was reclaimed beyond the
    process's need (how much that is depends on what else the kernel finds) may go again, not at once and not all."""
    assert 1 <= ooms_until_calm(machine) <= MANY
    assert tiers.finished(machine, LOG) is None
    assert tiers.kills(machine) == killed_before
    assert "pressure" in tiers.states(machine)
    last_oom = tiers.traced(machine, "tiermem_oom")[-1][0]
    assert all(when >= last_oom + CALM for when, _ in surrenders(machine))
    gone_again = sum(int(fields["pages"]) for _, fields in surrenders(machine)) * tiers.PAGE
    assert reclaimed(machine) > gone_again


def pressure_waits(machine, tier):
    """Milliseconds of each wait under pressure, as the driver's trace says."""
    return [int(fields["wait"].rstrip("ms")) for _, fields in tiers.traced(machine, "tiermem_state")
            if fields["tier"] == tier and fields["state"] == "pressure"]


def check_back_off(machine):
    """Once the process has gone the quotas are met again: not before the pressure is over, with longer and longer
    waits between the tries."""
    end_hog(machine)
    tiers.wait_reached(machine, 180)
    last_oom = tiers.traced(machine, "tiermem_oom")[-1][0]
    assert surrenders(machine)[0][0] >= last_oom + CALM
    for tier in "01":
        waits = pressure_waits(machine, tier)
        assert waits == sorted(waits) and all(wait >= CALM * 1000 for wait in waits), waits


def test_reclaim_on_oom(guest):
    """[TM-DRV-OOM-2] [TM-DRV-OOM-3] [TM-DEV-OOM-3] [TM-DRV-FEAT-2] [TM-DRV-REC-1]"""
    killed = tiers.kills(guest)
    usual, took = undisturbed(guest), episode(guest)
    assert took is not None, "the process was killed"
    print(f"{MORE} MiB took {took} ms of guest time, {usual} ms where there is plenty")
    events = [event["data"] for event in guest.events() if event["event"] == "TIERMEM_GUEST_OOM"]
    assert events and all(event["actual"] > event["requested"] for event in events)
    assert any(tier["actual"] > tier["requested"] for tier in tiers.tiers(guest))
    assert sum(tiers.sysfs(guest, "oom_reclaims")) >= 1
    check_no_fight(guest, killed)
    check_back_off(guest)


def test_reclaim_for_a_bound_process(guest):
    """A process that may use the slow node only gets the slow node's memory; the fast tier is left alone.
    [TM-DRV-OOM-2]"""
    killed = tiers.kills(guest)
    assert episode(guest, node=1) is not None, "the process was killed"
    fast, slow = tiers.tiers(guest)
    assert slow["actual"] > slow["requested"]
    assert fast["actual"] == fast["requested"]
    assert {event["data"]["tier"] for event in guest.events() if event["event"] == "TIERMEM_GUEST_OOM"} == {1}
    check_no_fight(guest, killed)


def test_without_the_feature(boot, kernel):
    """A host that does not offer it: a process is killed as in any guest, and the quotas stay met. [TM-DRV-OOM-1]
    [TM-DEV-OOM-2] [TM-DEV-FEAT-2]"""
    machine = boot(kernel=kernel, add=[programs.build("hog")], tiermem_options="reclaim-on-oom=off")
    tiers.wait_probed(machine)
    assert episode(machine) is None
    assert tiers.kills(machine) == 1
    assert tiers.finished(machine, LOG)[0] == 128 + 9
    assert tiers.reached(machine)
    assert tiers.traced(machine, "tiermem_oom") == []
    assert [event for event in machine.events() if event["event"] == "TIERMEM_GUEST_OOM"] == []


@pytest.mark.full
def test_back_off_grows(guest):
    """A process holds what it got; with each try that finds no plenty the driver waits for longer."""
    assert episode(guest) is not None
    guest.run("sleep 60", timeout=180)
    for tier in "01":
        waits = pressure_waits(guest, tier)
        assert all(later >= 2 * wait for wait, later in zip(waits, waits[1:])), waits
    assert max(len(pressure_waits(guest, tier)) for tier in "01") >= 2
