# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests by QMP and command line that cannot be: the error names the property and what is allowed, nothing changes."""

import pytest
import tiers
from tiermem_vm import Config, Machine, MachineError
from tiers import MIB

from qemu.qmp import ExecuteError  # isort: skip  tiermem_vm knows where it is

NODE = 512 * MIB
FAST_MIN = 64 * MIB

QUOTAS = {
    "unknown id": ("nosuch", [(0, NODE)], ["'id'", "'nosuch'"]),
    "tier out of range": ("tm0", [(2, NODE)], ["'tier' is 2", "0 (fast)", "1", "(slow)"]),
    "above the node": ("tm0", [(1, NODE + 4096)], ["'slow-quota'", str(NODE + 4096), "node 1", f"0 to {NODE}"]),
    "below the minimum": ("tm0", [(0, FAST_MIN - 4096)], ["'fast-quota'", "'fast-min'", f"{FAST_MIN} to {NODE}"]),
    "unaligned": ("tm0", [(1, 4097)], ["'slow-quota'", "4097", "multiple", "4096"]),
    "the same tier twice": ("tm0", [(1, NODE), (1, NODE)], ["tier 1 twice"]),
    "no tier": ("tm0", [], ["'tiers' is empty"]),
    # QEMU's monitor takes a negative number for the unsigned one of the same bits.
    "negative": ("tm0", [(1, -4096)], ["'slow-quota'", str((1 << 64) - 4096), f"0 to {NODE}"]),
    "too large for 64 bits": ("tm0", [(1, 1 << 64)], ["size"]),
    "one of two is wrong": ("tm0", [(0, 128 * MIB), (1, NODE + MIB)], ["'slow-quota'"]),
}
QOS = {
    "weight 0": ({"weight": 0}, ["'qos-weight'", "1 to 10000"]),
    "weight too large": ({"weight": 10001}, ["'qos-weight'", "1 to 10000"]),
    "CPU budget too large": ({"cpu_budget": 1001}, ["'cpu-budget'", "0 to 1000"]),
    "minimum above the quota": ({"fast_min": NODE + 4096}, ["'fast-min'", "'fast-quota'", f"0 to {NODE}"]),
    "unknown class": ({"class": "royal"}, ["class", "royal"]),
}
OPTIONS = {
    "no such node": ("fast-node=2", ["'fast-node' is 2", "2 NUMA nodes"]),
    "overlapping nodes": ("fast-node=1,slow-node=1", ["'fast-node' and 'slow-node' are both node 1"]),
    "quota above the node": ("fast-quota=513M", ["'fast-quota'", "node 0", f"0 to {NODE}"]),
    "quota unaligned": ("slow-quota=4097", ["'slow-quota'", "4096"]),
    "quota negative": ("slow-quota=-1", ["slow-quota"]),
    "quota no number": ("slow-quota=much", ["slow-quota", "much"]),
    "minimum above the quota": ("fast-quota=64M,fast-min=65M", ["'fast-quota'", "'fast-min'"]),
    "weight": ("qos-weight=0", ["'qos-weight'", "1 to 10000"]),
    "class": ("qos-class=royal", ["royal"]),
    "CPU budget": ("cpu-budget=1001", ["'cpu-budget'", "0 to 1000"]),
    "unknown option": ("medium-quota=1M", ["medium-quota"]),
}


@pytest.fixture(scope="module")
def device():
    """A device whose guest never runs: QMP is all that is needed."""
    with Machine(Config(incoming=True, tiermem_options=f"fast-min={FAST_MIN}"), "bad-requests") as machine:
        yield machine


def refused(machine, words, command, **arguments):
    """The command fails, says so with these words, and has changed nothing and told nobody."""
    before = {key: value for key, value in tiers.device(machine).items() if key != "stats"}
    machine.events()
    with pytest.raises(ExecuteError) as problem:
        machine.qmp(command, **arguments)
    assert all(word in str(problem.value) for word in words), str(problem.value)
    assert {key: value for key, value in tiers.device(machine).items() if key != "stats"} == before
    assert machine.events("TIERMEM_QUOTA_CHANGE") == []


@pytest.mark.quick
@pytest.mark.parametrize("case", QUOTAS)
def test_quota(device, case):
    """[TM-DEV-CFG-8] [TM-DEV-QUOTA-3]"""
    name, wanted, words = QUOTAS[case]
    refused(device, words, "tiermem-set-quota", id=name, tiers=[{"tier": tier, "size": size} for tier, size in wanted])


@pytest.mark.quick
@pytest.mark.parametrize("case", QOS)
def test_qos(device, case):
    """[TM-DEV-QOS-1] [TM-DEV-QOS-2] [TM-DEV-QOS-3] [TM-DEV-QOS-4]"""
    wanted, words = QOS[case]
    refused(device, words, "tiermem-set-qos", id="tm0", **wanted)


@pytest.mark.quick
@pytest.mark.parametrize("size,words", [(NODE + 4096, ["'fast-quota'", "node 0"]), (NODE - 1, ["'fast-quota'", "4096"])])
def test_qom_set(device, size, words):
    refused(device, words, "qom-set", path=device_path(device), property="fast-quota", value=size)


def device_path(machine):
    """The device by its id: peripherals have their ids for names."""
    assert "tm0" in [entry["name"] for entry in machine.qmp("qom-list", path="/machine/peripheral")]
    return "/machine/peripheral/tm0"


@pytest.mark.quick
@pytest.mark.parametrize("case", OPTIONS)
def test_command_line(case):
    """QEMU does not start."""
    options, words = OPTIONS[case]
    with pytest.raises(MachineError) as problem:
        Machine(Config(incoming=True, tiermem_options=options), "bad-options").start()
    assert all(word in str(problem.value) for word in words), str(problem.value)


@pytest.mark.quick
def test_second_device():
    with pytest.raises(MachineError, match="only one virtio-tiermem device per machine"):
        Machine(Config(incoming=True, qemu_args=["-device", "virtio-tiermem,id=tm1"]), "two-devices").start()


@pytest.mark.quick
def test_good_requests_are_not_refused(device):
    """The limits themselves are allowed: the tests above fail for what they say."""
    for fast, slow in ((FAST_MIN, 0), (NODE, NODE), (FAST_MIN + 4096, 4096), (NODE, NODE)):
        tiers.set_quota(device, fast, slow)
        assert tiers.values(device, "requested") == [fast, slow]
    device.qmp("qom-set", path=device_path(device), property="slow-quota", value=128 * MIB)
    assert tiers.values(device, "requested") == [NODE, 128 * MIB]
    for weight, budget in ((1, 0), (10000, 1000)):
        device.qmp("tiermem-set-qos", id="tm0", weight=weight, cpu_budget=budget)
    tiers.set_quota(device, NODE, NODE)
