# SPDX-License-Identifier: GPL-2.0-or-later
"""The tiering bench from its command line to its table, with runs that were made up instead of guests."""

import json
import sys
from pathlib import Path

import pytest

from tiermem_bench import tiering_figures, tiering_store
from tiermem_bench.tiering_figures import SECOND

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/bench"))
import tiering  # noqa: E402
import tiering_guest  # noqa: E402

SHARES = {"none": 0.1, "ideal": 0.9, "tiermem": 0.85}


def made_up(cell):
    """A run whose share is the peer's from its third second on."""
    samples, fast = [], 0
    for number in range(121):
        share = SHARES[cell.peer] if number > 20 or cell.peer == "ideal" else 0.1
        fast += round(1000 * share) if number else 0
        kernel = 1_000_000 * number  # ns of instructions, and of stall: 2 in 100 ms
        samples.append(tiering_figures.Counts(number * SECOND // 10, fast, 1000 * number - fast, 0, kernel, kernel))
    course = tiering_figures.Course(samples)
    return {"begin": 0, "end": 12 * SECOND, "shift": None, "fast_share": tiering_figures.settled(course, 0, 12 * SECOND).share,
            "rate": 1e6 * (1 + SHARES[cell.peer]), "late_rate": 2e6, "memory_ns": 100.0, "kernel_instructions": 10**9,
            "kernel_share": 0.1, "pages_moved": 32768, "ideal_fast_bytes": 128 << 20,
            "series": course.series(0, 12 * SECOND), "course": [counts.as_list() for counts in samples]}


class Bench:
    """Stands for tiering_guest.Bench. `broken`: peers whose runs fail."""
    broken = set()
    ran = []

    def __init__(self, qemu):
        self.stopped = tiering_guest.threading.Event()

    def key(self, cell):
        return f"{cell.workload}-{cell.peer}-{cell.seed}-{cell.thp}"

    def run(self, cell, timeout):
        Bench.ran.append(cell)
        if cell.peer in Bench.broken:
            raise tiering_guest.RunFailed(f"the guest did not finish within {timeout:.0f} s; ...\nmore")
        return made_up(cell)


@pytest.fixture(autouse=True)
def no_guests(tmp_path, monkeypatch):
    monkeypatch.setenv("TIERMEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tiering_guest, "Bench", Bench)
    monkeypatch.setattr("tiermem_build.host.ensure", lambda: None)
    Bench.broken, Bench.ran = set(), []


def bench(*words):
    return tiering.main(["--workload", "gups", "--peer", "none", "--peer", "tiermem", *words])


def test_table_json_and_document(tmp_path, capsys):
    assert bench("--json", str(tmp_path / "j"), "--markdown", str(tmp_path / "m"), "--repeat", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["ideal", "none", "tiermem"]
    assert "0.850 (0.850..0.850)" in lines[3] and "0.944" in lines[3] and " 2.5 " in lines[3]
    assert len((tmp_path / "m").read_text().splitlines()) == 5
    rows = {row["what"]: row for row in json.loads((tmp_path / "j").read_text())["rows"]}
    assert rows["gups, tiermem: fast share"]["value"] == 0.85 and rows["gups, tiermem: fast share"]["peer_value"] == 0.9
    assert rows["gups, tiermem: pages moved for each hot page"]["value"] == 2
    assert rows["gups, tiermem: kernel's share of the last third"]["value"] == pytest.approx(0.02)
    assert rows["gups, none: 90 % of the ideal's share after the start"]["value"] is None


def test_finished_runs_are_not_run_again(capsys):
    assert bench() == 0 and len(Bench.ran) == 3
    assert bench() == 0 and len(Bench.ran) == 3
    assert bench("--repeat", "2") == 0 and len(Bench.ran) == 6
    assert bench("--again") == 0 and len(Bench.ran) == 9
    capsys.readouterr()


def test_a_run_that_fails_costs_only_itself(capsys):
    Bench.broken = {"tiermem"}
    assert bench() == 1
    said = capsys.readouterr()
    assert "gups, tiermem, seed 1: RunFailed: the guest did not finish" in said.err and "1 of 3 runs are missing" in said.err
    assert [line.split()[1] for line in said.out.splitlines()[1:]] == ["ideal", "none"]
    Bench.broken = set()
    assert bench() == 0 and [cell.peer for cell in Bench.ran[3:]] == ["tiermem"]


def test_only_what_is_finished_is_shown(capsys):
    assert bench("--finished") == 1 and Bench.ran == []
    assert "3 of 3 runs are missing" in capsys.readouterr().err


def test_another_benchs_runs_are_taken(capsys):
    cell = tiering_guest.Cell("gups", "none", seconds=20.0)
    tiering_store.save(Bench(None).key(cell), made_up(cell))
    assert bench() == 0 and "none" not in [cell.peer for cell in Bench.ran]
    capsys.readouterr()


def test_the_quick_part_is_a_part():
    chosen = tiering.options(["--quick"])
    assert set(chosen.workload) < set(tiering.workloads()) and chosen.seconds < tiering.options([]).seconds
    assert {"ideal", "none", "tiermem"} <= {cell.peer for cell in tiering.cells(chosen)}


def test_every_workload_of_tierload_is_measured():
    source = (TOP / "tools/tierload/workload.cpp").read_text()
    assert [name for name in tiering.WORKLOADS if f'WorkloadInfo{{"{name}"' not in source] == []
    assert source.count("WorkloadInfo{") == len(tiering.WORKLOADS)
