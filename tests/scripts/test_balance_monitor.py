# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways to a machine's monitor of the balance bench, with a machine that is none behind them."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "bench"), str(TESTS / "unit/tiermemctl")]
from balance_monitor import Client, Monitor  # noqa: E402
from fake_qmp import FakeMachine  # noqa: E402


@pytest.fixture
def machine(tmp_path):
    with FakeMachine(tmp_path / "qemu.qmp") as one:
        yield one


def client_of(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return closing(Client(connection))


def test_a_machine_that_is_stopped_seems_to_run(machine, tmp_path):
    machine.status = "paused"
    Monitor(tmp_path / "machine.qmp", tmp_path / "qemu.qmp")
    with client_of(tmp_path / "qemu.qmp") as own:
        assert own("query-status")["status"] == "paused"
    for _ in range(2):  # one client after the other
        with client_of(tmp_path / "machine.qmp") as balancers:
            assert balancers("query-status")["status"] == "running"
            assert balancers("query-tiermem")[0]["tiers"][0]["requested"] == machine.tiers[0]["requested"]


def test_a_refusal_is_said_and_events_are_passed_over(machine, tmp_path):
    with client_of(tmp_path / "qemu.qmp") as client:
        machine.emit("STOP")
        with pytest.raises(RuntimeError, match="tiermem-set-quota: "):
            client("tiermem-set-quota", id="tm0", tiers=[{"tier": 0, "size": 1}])
        assert client("query-status")["status"] == "running"


def test_the_end_of_the_machine_is_the_end_of_the_way(machine, tmp_path):
    Monitor(tmp_path / "machine.qmp", tmp_path / "qemu.qmp")
    with client_of(tmp_path / "machine.qmp") as client:
        machine.before["query-status"] = lambda _: "close"
        with pytest.raises(RuntimeError, match="has ended"):
            client("query-status")
