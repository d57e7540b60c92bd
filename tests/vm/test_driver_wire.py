# SPDX-License-Identifier: GPL-2.0-or-later
"""What the driver sends, as the device sees it: requests are well-formed, statistics are those it has."""

import re
import time

import pytest
import tiers
from tiers import MIB

REQUEST = re.compile(r"virtio_tiermem_request type=(\d+) tier=(\d+) flags=(\S+) ranges=(\d+) done=(\d+) status=(.*)")
STATS = re.compile(r"virtio_tiermem_stats entries=(\d+)")
SURRENDER, RECLAIM, BUSY = 1, 2, 6
MAX_RANGES, MAX_STATS = 1024, 512
WAIT = 10  # seconds in which the host is busy
SLOW_READER = "while [ $(dd bs=16k count=1 2>/dev/null | wc -c) -gt 0 ]; do sleep 0.01; done"


def device_trace(machine, pattern):
    """What QEMU's trace of the device shows: the groups of each line that matches."""
    return pattern.findall(machine.place.errors.read_text(errors="replace"))


@pytest.mark.quick
def test_requests_are_well_formed(boot, kernel):
    """Every request of many resizes is carried out: none has a wrong length or field, too many ranges, or no room
    for the response. [TM-DRV-REQ-1] [TM-DRV-REQ-2] [TM-DRV-REQ-3] [TM-DRV-REQ-4] [TM-DRV-REQ-5]"""
    machine = boot(kernel=kernel, qemu_args=["-trace", "virtio_tiermem_request"])
    # The kernel, some 70 MiB, may lie on either node: no quota so small that it would not fit.
    for fast, slow in ((400, 160), (300, 512), (512, 150), (256, 200), (512, 512)):
        tiers.resize(machine, fast * MIB, slow * MIB)
    requests = device_trace(machine, REQUEST)
    assert {(int(kind), int(tier)) for kind, tier, *_ in requests} == \
        {(kind, tier) for kind in (SURRENDER, RECLAIM) for tier in (0, 1)}
    assert [request for request in requests if request[5] != "ok" or request[3] != request[4]] == []
    assert all(1 <= int(ranges) <= MAX_RANGES for _, _, _, ranges, _, _ in requests)
    assert [event for event in machine.events() if event["event"] == "TIERMEM_GUEST_ERROR"] == []


def test_statistics(boot, kernel):
    """Those that the driver has, each once, and no others; the device finds nothing wrong with them.
    [TM-DRV-STAT-2] [TM-DRV-STAT-3] [TM-DRV-STAT-1]"""
    machine = boot(kernel=kernel, qemu_args=["-trace", "virtio_tiermem_stats"])
    tiers.resize(machine, 300 * MIB, 200 * MIB)
    tiers.device(machine)  # asks for newer ones
    tiers.until(lambda: totals(machine) == tiers.sysfs(machine, "total"), lambda: tiers.device(machine)["stats"])
    values = tiers.device(machine)["stats"]["values"]
    keys = [(value["name"], value.get("tier"), value["index"]) for value in values]
    assert len(keys) == len(set(keys))
    names = {(name, tier) for name, tier, _ in keys if not name.startswith("curve-")}  # of which there may be none yet
    assert names == {(name, tier) for tier in (0, 1) for name in ("total", "free", "reclaimable", "oom-reclaims", "samples")} \
        | {("promoted", 0), ("demoted", 1), ("exchange-failed", None), ("cpu-time", None)}
    assert tiers.device(machine)["stats"]["doubts"] == []
    counts = [int(entries) for entries in device_trace(machine, STATS)]
    assert len(counts) >= 2 and max(counts) <= MAX_STATS


def totals(machine):
    """[fast, slow] of what the driver says the guest manages."""
    values = tiers.device(machine)["stats"]["values"]
    return [total["value"] for total in sorted((value for value in values if value["name"] == "total"),
                                               key=lambda total: total["tier"])]


def qos(machine, name):
    return machine.run(f"cat {tiers.SYSFS}/qos/{name}").output.strip()


def test_without_qos(boot, kernel):
    """What stands in the configuration space counts only with the feature. [TM-DRV-CFG-2] [TM-DEV-FEAT-2]"""
    machine = boot(kernel=kernel, tiermem_options="qos=off,qos-weight=77")
    tiers.wait_probed(machine)
    assert tiers.device(machine)["qos"]["weight"] == 77
    assert qos(machine, "weight") == "0"
    tiers.resize(machine, slow=300 * MIB)


def test_busy_host(boot, kernel):
    """While the host cannot take memory back the driver tries again, later and later; then it reaches its quota.
    [TM-DRV-REQ-8] [TM-DEV-SUR-5]"""
    machine = boot(kernel=kernel, fast=128 * MIB, slow=128 * MIB)
    tiers.trace(machine, "tiermem/tiermem_request", "tiermem/tiermem_state")
    begin_snapshot(machine)
    tiers.set_quota(machine, slow=100 * MIB)
    machine.wait_event("TIERMEM_QUOTA_CHANGE")
    time.sleep(WAIT)
    assert tiers.values(machine, "actual") == [128 * MIB, 128 * MIB]
    machine.qmp("migrate_cancel")
    tiers.wait_reached(machine)
    refused = [fields for _, fields in tiers.traced(machine, "tiermem_request") if fields["status"] == str(BUSY)]
    waits = [int(fields["wait"].rstrip("ms")) for _, fields in tiers.traced(machine, "tiermem_state")
             if fields["state"] == "waiting"]
    assert len(refused) >= 4 and len(waits) >= len(refused)
    assert all(later > earlier for earlier, later in zip(waits, waits[1:])), waits


def begin_snapshot(machine):
    """A background snapshot that lasts until it is cancelled: meanwhile all memory must stay where it is."""
    from qemu.qmp import ExecuteError
    try:
        machine.qmp("migrate-set-capabilities",
                    capabilities=[{"capability": "background-snapshot", "state": True}])
    except ExecuteError as problem:
        pytest.skip(f"no background snapshots on this host: {problem}")
    # Bandwidth limits do not apply to background snapshots: only a slow reader makes them last.
    machine.qmp("migrate", uri=f"exec:{SLOW_READER}")
    tiers.until(lambda: not tiers.device(machine)["discard-possible"], lambda: machine.qmp("query-migrate"))
