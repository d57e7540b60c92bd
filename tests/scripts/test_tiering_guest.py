# SPDX-License-Identifier: GPL-2.0-or-later
"""How the tiering bench watches a guest: its end, its failures, and what it left; with a machine that is none."""

import json
import sys
import types
from pathlib import Path

import pytest

from tiermem_bench.tiering_peers import PEERS

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import tiering_guest  # noqa: E402


class Machine:
    """Stands for a machine that has ended with a status, or (None) never ends."""

    def __init__(self, folder, status):
        self.place = types.SimpleNamespace(console=folder / "console", errors=folder / "qemu")
        self.place.console.write_text("Out of memory: Killed process 71 (tierload)\n")
        self.process = types.SimpleNamespace(poll=lambda: status, returncode=status)


@pytest.fixture
def bench():
    made = tiering_guest.Bench.__new__(tiering_guest.Bench)
    made.stopped = tiering_guest.threading.Event()
    return made


def watched(bench, tmp_path, text, status=0, timeout=30, readings=""):
    words, log = tmp_path / "words", tmp_path / "meter.jsonl"
    words.write_text(text)
    log.write_text(readings)
    bench._watch(Machine(tmp_path, status), words, tiering_guest.GuestClock(log, 100), timeout)
    return words


def test_a_run_that_has_ended_well_is_one(bench, tmp_path):
    words = watched(bench, tmp_path, "watched promoted 4096\nwatched outcomes a 1 b 2 \nwatched none\ntiering: status 0\n")
    assert tiering_guest._watched(words) == {"promoted": "4096", "outcomes": "a 1 b 2", "none": ""}


@pytest.mark.parametrize("text, said", [
    ("tierload: --size 9: 8M are allowed\ntiering: status 2\n", "ended with status 2.*--size 9: 8M are allowed"),
    ("sh: write error: Invalid argument\ntiering: set-up failed\n", "set-up failed.*write error"),
])
def test_a_program_that_failed_is_told_with_its_words(bench, tmp_path, text, said):
    with pytest.raises(tiering_guest.RunFailed, match=said):
        watched(bench, tmp_path, text)


def test_a_guest_that_hangs_is_told_with_what_it_did_last(bench, tmp_path):
    with pytest.raises(tiering_guest.RunFailed, match="stood still for 0 s.*last event: start\n(.*\n)*.*Out of memory"):
        watched(bench, tmp_path, json.dumps({"event": "start"}) + "\n", status=None, timeout=0)


def test_a_guest_that_never_ends_is_told_by_its_own_clock(bench, tmp_path):
    line = '{"type":"sample","time_ns":%d,"vcpus":[]}\n'
    with pytest.raises(tiering_guest.RunFailed, match="not finish within 100 s of its own clock"):
        watched(bench, tmp_path, "", status=None, readings=line % 10**9 + line % (101 * 10**9) + '{"type":"sam')


def test_a_guest_on_a_slow_host_is_waited_for(tmp_path):
    clock = tiering_guest.GuestClock(tmp_path / "log", 100)
    assert clock.problem(60) is None
    (tmp_path / "log").write_text('{"type":"sample","time_ns":99000000000}\n')
    clock.changed -= 61
    assert clock.problem(60) is None and clock.changed > tiering_guest.time.monotonic() - 60


@pytest.mark.parametrize("status, said", [(1, "QEMU ended with status 1"), (-9, "status -9"), (0, "guest has died")])
def test_a_machine_that_dies_is_told(bench, tmp_path, status, said):
    with pytest.raises(tiering_guest.RunFailed, match=said):
        watched(bench, tmp_path, "", status)


def test_a_stopped_bench_waits_for_nobody(bench, tmp_path):
    bench.stopped.set()
    with pytest.raises(tiering_guest.RunFailed, match="stopped"):
        watched(bench, tmp_path, "", status=None)


def test_lines_that_are_cut_off_or_not_ours_are_passed_over(tmp_path):
    words = tmp_path / "words"
    words.write_text('{"event": "start"}\nnoise\n[1]\n{"other": 1}\n{"event": "int')
    assert tiering_guest.events(words) == [{"event": "start"}] and tiering_guest.events(tmp_path / "none") == []


@pytest.mark.parametrize("peer", PEERS)
def test_the_guests_script_names_program_and_sizes(peer):
    cell = tiering_guest.Cell("zipf", peer, thp=True, seed=3, size=1 << 28)
    text = tiering_guest.script(cell)
    assert "tierload zipf --size 268435456B" in text and "--seed 3 --thp on" in text and f"FAST={cell.fast} " in text
    assert PEERS[peer].setup in text and f"--place {PEERS[peer].place}" in text
