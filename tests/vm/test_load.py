# SPDX-License-Identifier: GPL-2.0-or-later
"""Resizing under load: no content is lost, nobody is killed, and in the end all numbers agree."""

import random
import time

import programs
import pytest
import tiers
from tiers import MIB

NODE = 512 * MIB
ANONYMOUS, FILES = 260, 60  # MiB that the load fills
# Quotas with which the load and what the guest itself takes (about 150 MiB) have room enough.
ENOUGH = 640 * MIB
LEAST = 128 * MIB  # the kernel lies in a node of its own choice (KASLR) and takes 70 MiB there
GRAIN = 2 * MIB  # block size of the largest pages tested
RESIZES = 10  # at least, or the load was hardly disturbed; an idle host makes 50 in half a minute
LEFT_OVER = 2 * MIB  # of the host's memory: pages that firmware and device emulation touch by themselves


def random_quotas(chance):
    """(fast, slow) in bytes: any two whose sum suffices."""
    while True:
        fast, slow = (chance.randrange(LEAST, NODE + 1, GRAIN) for _ in range(2))
        if fast + slow >= ENOUGH:
            return fast, slow


def start_load(machine, seconds):
    tiers.start(machine, f"pattern {seconds} {ANONYMOUS} {FILES}", "/tmp/pattern")


def end_load(machine, signal=""):
    """Waits until both of the load's processes have verified all; returns how many MiB they have verified in all."""
    if signal:
        machine.run(f"killall {signal} pattern", check=False)
    status, output = tiers.until(lambda: tiers.finished(machine, "/tmp/pattern"), lambda: tiers.states(machine), 300)
    lines = [line.split() for line in output.splitlines() if line.startswith("verified_mib=")]
    assert status == 0 and [line[1] for line in lines] == ["mismatches=0"] * 2, f"status {status}\n{output}"
    return sum(int(line[0].split("=")[1]) for line in lines)


def check_numbers(machine):
    """With the quotas met: the host holds what the guest uses and no more than the guest has."""
    tier_list = tiers.tiers(machine)
    used = [used - free for used, free in zip(tiers.node_used(machine), tiers.on_cpu_lists(machine))]
    for number, tier in enumerate(tier_list):
        host = machine.host_resident(tiers.NAMES[number])
        for resident in (tier["resident"], host):
            assert resident <= tier["actual"] * 1.01 + LEFT_OVER, tier
        # What the kernel has reserved at boot is not in MemUsed: this is a lower bound.
        assert host >= used[number] * 0.99 - LEFT_OVER, f"{tier}, used in the guest: {used[number]}"


def test_resize_storm(guest):
    """500 random calls, one or both tiers, while programs fill, verify and give back memory. [TM-DRV-QUOTA-1]
    [TM-DRV-QUOTA-2] [TM-DRV-SUR-1] [TM-DRV-REC-2] [TM-DEV-SUR-3] [TM-DRV-REQ-6] [TM-DRV-REQ-7]"""
    chance = random.Random(3)
    whole, nodes = tiers.mem_total(guest)
    guest.events()
    start_load(guest, 3600)
    quotas = [NODE, NODE]
    for call in range(500):
        new = random_quotas(chance)
        which = chance.choice(["fast", "slow", "both"])
        named = {name: new[number] for number, name in enumerate(tiers.NAMES) if which in (name, "both")}
        after = [named.get(name, quotas[number]) for number, name in enumerate(tiers.NAMES)]
        if sum(after) < ENOUGH:  # only one has changed: change both, so that the sum suffices
            named, after = dict(zip(tiers.NAMES, new)), list(new)
        tiers.set_quota(guest, **named)
        quotas = after
        time.sleep(chance.random() * 0.08)
        if call % 50 == 0:
            assert tiers.finished(guest, "/tmp/pattern") is None, guest.run("cat /tmp/pattern").output
    assert tiers.values(guest, "requested") == quotas
    tiers.resize(guest, 320 * MIB, 400 * MIB)
    check_numbers(guest)
    assert end_load(guest, "-TERM") > 0
    tiers.resize(guest, NODE, NODE)
    assert tiers.kills(guest) == 0
    assert tiers.mem_total(guest) == (whole, nodes)
    assert guest.run(f"kpageflags 0 {2 * NODE // tiers.PAGE}").output.endswith(" offline=0\n"), "pages leaked"
    assert [event for event in guest.events() if event["event"] in ("TIERMEM_GUEST_ERROR", "TIERMEM_GUEST_OOM")] == []


def check_patterns(boot, kernel, backend, seconds):
    machine = boot(kernel=kernel, backend=backend, fast=NODE, slow=NODE, add=[programs.build("pattern")])
    chance = random.Random(f"{kernel} {backend}")
    start_load(machine, seconds)
    resizes = 0
    while not tiers.finished(machine, "/tmp/pattern"):
        tiers.set_quota(machine, *random_quotas(chance))
        resizes += 1
        time.sleep(chance.random())
    verified = end_load(machine)
    assert verified > ANONYMOUS + FILES and resizes >= RESIZES, f"{verified} MiB verified, {resizes} resizes"
    tiers.wait_reached(machine)
    check_numbers(machine)
    assert tiers.kills(machine) == 0


@pytest.mark.parametrize("kernel,backend", [
    pytest.param("6.1", "ram", marks=pytest.mark.full), ("6.1", "memfd"), ("6.12", "hugetlb"),
    pytest.param("6.12", "file", marks=pytest.mark.full)])  # memfd's twin: both are shared files with holes
def test_no_content_is_lost(boot, kernel, backend):
    """(The storm above does the same in private memory.) [TM-DRV-SUR-1] [TM-DRV-SUR-2] [TM-DEV-SUR-3] [TM-DEV-SUR-8]
    [TM-DRV-REQ-5]"""
    check_patterns(boot, kernel, backend, 30)


@pytest.mark.full
@pytest.mark.parametrize("backend", ["ram", "memfd", "file", "hugetlb"])
def test_no_content_is_lost_for_two_minutes(boot, kernel, backend):
    """The whole bar of issue 3: every backend, both kernels, 2 minutes."""
    check_patterns(boot, kernel, backend, 120)
