# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchanger in real guests: pages trade places with their content, nothing is allocated, and what may not be
exchanged is left alone and counted by its cause."""

import re

import exchange_kit
import pytest
from tiermem_vm import Machine

PAIRS = 4096
HUGE_PAIRS = 20
PLANS = 25  # of 300 steps
HUGE = 512  # base pages in a huge one
BATCH, HUGE_BATCH = 512, 8  # exchange.h
# KiB of the fast node by which its free memory may differ after an exchange of 16 MiB: the guest's own background.
BACKGROUND = 512
ALL_OUTCOMES = ["exchanged", "unavailable", "argument", "space_busy", "notifier", "mapping", "locked", "userfaultfd",
                "absent", "size", "special", "ksm", "poisoned", "lazyfree", "swapcache", "writeback", "pinned", "shared",
                "referenced", "page_busy", "cgroup", "policy", "cpuset", "late"]
CASES = {
    "misaligned": "argument", "kernel-address": "argument", "misaligned-huge": "argument", "unmapped": "mapping",
    "shared-mapping": "mapping", "private-file": "mapping", "mlock": "locked", "unevictable": "locked",
    "userfaultfd-missing": "userfaultfd", "userfaultfd-wp": "userfaultfd", "untouched": "absent", "dropped": "absent",
    "untouched-huge": "absent", "huge-as-base": "size", "base-as-huge": "size", "part-of-huge": "size",
    "zero-page": "special", "ksm": "ksm", "lazyfree": "lazyfree", "poisoned": "poisoned", "swapcache": "swapcache",
    "writeback": "writeback", "page-locked": "page_busy", "io_uring": "pinned", "vmsplice": "referenced",
    "forked": "shared", "mbind-bind": "policy", "mbind-preferred": "policy", "task-policy": "policy",
    "cpuset": "cpuset", "cgroup": "cgroup", "space-busy": "space_busy", "teased": "late", "notifier": "exchanged",
    "notifier-of-one": "notifier",
}
EXCHANGED_AGAIN = "forked-and-ended"  # the child is gone, so the page is the program's alone
# Where flushing a TLB does not tell those who watch an address space, it is refused.
OTHERWISE = {("6.1", "notifier"): "notifier"}
CANNOT = {("6.1", "poisoned")}  # Debian's 6.1 for clouds is built without memory failure handling


@pytest.fixture
def machine(machines, kernel):
    if kernel not in machines:
        machines[kernel] = Machine(_config(kernel), f"exchange-{kernel}").start()
        machines[kernel].run(f"modprobe {exchange_kit.NAME}")
    yield machines[kernel]
    assert machines[kernel].complaints() == []


def _config(kernel):
    from tiermem_vm import Config
    return Config(**exchange_kit.settings(kernel))


def places(machine, *words):
    """What exchange-places reports; every word of content must be right."""
    found = exchange_kit.values(machine.run("exchange-places " + " ".join(map(str, words)), timeout=200).output)
    assert found["wrong"] == 0
    return found


@pytest.mark.quick
@pytest.mark.parametrize("order", ["same", "shuffled"])
def test_base_pages_of_one_space(machine, order):
    found = places(machine, PAIRS, "base", order)
    assert found["exchanged"] == found["hot_on_fast"] == found["cold_on_slow"] == PAIRS
    assert found["batches"] == found["flushes"] == PAIRS // BATCH


def test_base_pages_of_two_spaces(machine):
    found = places(machine, PAIRS, "base", "other")
    assert found["exchanged"] == found["hot_on_fast"] == found["cold_on_slow"] == PAIRS
    assert found["batches"] == PAIRS // BATCH
    assert found["flushes"] == 2 * PAIRS // BATCH


@pytest.mark.parametrize("whose, flushes", [("same", 1), ("other", 2)])
def test_huge_pages(machine, whose, flushes):
    found = places(machine, HUGE_PAIRS, "huge", whose)
    batches = -(-HUGE_PAIRS // HUGE_BATCH)
    assert found["exchanged"] == HUGE_PAIRS
    assert found["hot_on_fast"] == found["cold_on_slow"] == HUGE_PAIRS * HUGE
    assert (found["batches"], found["flushes"]) == (batches, flushes * batches)


def test_one_pair(machine):
    found = places(machine, 1, "base", "same")
    assert found["exchanged"] == found["hot_on_fast"] == found["cold_on_slow"] == 1


@pytest.mark.parametrize("size, pages", [("base", 1), ("huge", HUGE)])
def test_what_was_promoted_looks_used(machine, size, pages):
    """To reclaim, which would else find a page in a place where there were only cold ones; and what was demoted looks
    as it did."""
    pairs = 8
    found = exchange_kit.values(machine.run(f"exchange-aged {pairs} {size}").output)
    assert (found["exchanged"], found["wrong"]) == (pairs, 0)
    assert (found["hot_before"], found["cold_before"]) == (0, 0)
    assert (found["hot_young"], found["hot_referenced"]) == (pairs * pages, pairs)
    assert (found["cold_young"], found["cold_referenced"]) == (0, 0)


def test_full_fast_node(machine):
    """Not a page of the fast node can be allocated, and all pairs are exchanged all the same."""
    found = places(machine, PAIRS, "base", "same", "full")
    assert found["full"] == 1
    assert found["exchanged"] == found["hot_on_fast"] == found["cold_on_slow"] == PAIRS
    assert abs(found["free_before"] - found["free_after"]) <= BACKGROUND


def test_each_refusal(machine, kernel):
    lines = machine.run("exchange-refusals", timeout=200).output.splitlines()
    found = {line.split()[0]: exchange_kit.values(line) for line in lines}
    cannot = {name for name in CASES if (kernel, name) in CANNOT}
    assert {name for name, case in found.items() if "cannot" in case} == cannot
    assert {name: case["outcome"] for name, case in found.items() if name not in cannot} == {
        **{name: OTHERWISE.get((kernel, name), outcome) for name, outcome in CASES.items() if name not in cannot},
        EXCHANGED_AGAIN: "exchanged"}
    for name, case in found.items():
        if name in cannot:
            continue
        assert case["wrong"] == 0 and case["counted"] >= 1, name
        assert case["places"] == ("changed" if case["outcome"] == "exchanged" else "same"), name


def test_hostile_plans(machine):
    """Whatever a policy proposes: what may not be moved stays, no content is lost, and each step is accounted for."""
    found = exchange_kit.values(machine.run(f"hostile-plan {PLANS}", timeout=600).output)
    print(found)
    assert (found["wrong"], found["astray"], found["unaccounted"]) == (0, 0, 0)
    # Some of it made sense, by chance, and was done; most of it did not.
    assert found["exchanged"] > 0 and found["huge"] > 0 and found["migrated"] > 0
    assert found["nonsense"] > found["steps"] / 2


def test_no_outcome_is_forgotten():
    tested = {*CASES.values(), *OTHERWISE.values(), "exchanged", "unavailable"}
    assert tested == set(ALL_OUTCOMES)
    header = (exchange_kit.DRIVER / "exchange.h").read_text()
    names = re.findall(r"^\tTIERMEM_(?:REFUSED_)?(\w+),", header, re.M)
    assert [name.lower() for name in names] == ALL_OUTCOMES


def test_a_kernel_that_lacks_a_symbol(machine):
    """The module is loaded without looking symbols up, as if the kernel had none of them."""
    machine.run(f"rmmod {exchange_kit.NAME} && modprobe {exchange_kit.NAME} blind=1")
    try:
        found = exchange_kit.values(machine.run("exchange-places 8 base same").output)
        assert (found["unavailable"], found["hot_on_fast"], found["wrong"]) == (8, 0, 0)
        assert "unavailable for want of flush_tlb_mm_range" in machine.run("dmesg").output
    finally:
        machine.run(f"rmmod {exchange_kit.NAME} && modprobe {exchange_kit.NAME}")
