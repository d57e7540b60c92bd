# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs in the tiering bench: their scripts, files, marks and machines; no guest is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from tiermem_bench import tiering_figures, tiering_programs
from tiermem_bench.tiering_figures import SECOND, Counts, Course
from tiermem_bench.tiering_programs import PROGRAMS

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/bench"))
import tiering  # noqa: E402
import tiering_guest  # noqa: E402

MIB = 1 << 20
# A program that answers each line, and takes a second for that.
ANSWERS = """second=100
while read -r line; do
    second=$((second + 1))
    echo "$second.00 0.00" >{folder}/uptime
    echo {answer}
done
"""


def mark(name, second, operations):
    return {"event": name, "tsc": second * SECOND, "operations": operations, "vmstat": {"pgmigrate_success": operations}}


def asked(tmp_path, answer):
    """Runs the part of a script that asks, with a stand-in for the program and for tierload-mark, and shows what was printed."""
    (tmp_path / "program").write_text(ANSWERS.format(answer=answer, folder=tmp_path))
    (tmp_path / "uptime").write_text("100.00 0.00\n")
    (tmp_path / "tierload-mark").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "tierload-mark").chmod(0o755)
    text = tiering_programs.ASKING.format(program=f"sh {tmp_path}/program", load='ask "load"', watch="", centiseconds=300,
                                          seed=1, batch=10, request="number $round")
    for file in ("/tmp/in", "/tmp/out", "/proc/uptime"):
        text = text.replace(file, str(tmp_path / Path(file).name))
    shell = subprocess.run(["busybox", "sh", "-c", text + "exec 3>&- 4<&-\n"], text=True, stdout=subprocess.PIPE, timeout=60,
                           env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    return shell.returncode, shell.stdout.splitlines()


def test_requests_are_asked_until_the_time_is_over(tmp_path):
    status, lines = asked(tmp_path, 5)
    assert status == 0
    assert lines == ["start", *[f"progress --operations {count}" for count in (10, 20, 30)], "end --operations 30"]


def test_an_answer_that_is_no_number_ends_the_run(tmp_path):
    status, lines = asked(tmp_path, "ERR no such key")
    assert status == 1 and lines == ["tiering: status 1: 'ERR no such key' instead of a number"]


def test_marks_become_a_whole_run():
    events = tiering_programs.completed([mark("start", 1, 0), mark("progress", 2, 100), mark("end", 4, 700)])
    course = Course([Counts(second * SECOND, 900 * second, 100 * second, 0, 0, 0) for second in range(5)])
    run = tiering_figures.figures(events, course)
    assert (run["operations"], run["pages_moved"], run["fast_share"]) == (700, 700, pytest.approx(0.9))
    assert run["rate"] == pytest.approx(700 / 3) and run["late_rate"] == pytest.approx(300)


def test_a_run_without_an_end_stays_one():
    with pytest.raises(ValueError, match="did not get to its end"):
        tiering_figures.figures(tiering_programs.completed([mark("start", 1, 0)]), Course([]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_programs_script_is_whole_and_other_for_other_seeds_and_sizes(name):
    def cell(**more):
        return tiering_guest.Cell(name, "none", size=192 * MIB, **more)
    text = tiering_guest.script(cell())
    assert subprocess.run(["busybox", "sh", "-n"], input=text, text=True).returncode == 0
    assert "tierload-mark start" in text and "tierload-mark end --operations" in text and "enabled" in text
    assert tiering_guest.script(cell(thp=True)) != text
    assert tiering_guest.script(tiering_guest.Cell(name, "none", size=256 * MIB)) != text
    assert name == "liblinear" or tiering_guest.script(cell(seed=2)) != text  # its seed is in the data


def test_the_ideal_of_a_program_is_a_machine_that_is_nearly_all_fast():
    ideal, other = (tiering_guest.Cell("redis", peer, fast=224 * MIB, slow=320 * MIB) for peer in ("ideal", "none"))
    assert sum(ideal.nodes) == sum(other.nodes) and ideal.nodes[0] > 400 * MIB
    assert tiering_guest.Cell("zipf", "ideal", fast=224 * MIB, slow=320 * MIB).nodes == (224 * MIB, 320 * MIB)


def test_examples_are_the_same_for_the_same_seed(tmp_path):
    for number, seed in enumerate((1, 1, 2)):
        tiering_programs._write_examples(tmp_path / str(number), 50, seed)
    first, again, other = ((tmp_path / str(number)).read_text() for number in range(3))
    assert first == again != other
    for line in first.splitlines():
        label, *features = line.split()
        places = [int(feature.removesuffix(":1")) for feature in features]
        assert label in ("+1", "-1") and places == sorted(set(places)) and len(places) == tiering_programs.PER_EXAMPLE


def test_a_command_brings_its_libraries_and_its_loader():
    found = tiering_programs._linked(Path("/"), Path("/bin/sh"))
    assert any(path.endswith("/libc.so.6") for path in found) and any("/ld-linux" in path for path in found)
    assert all(file.exists() for file in found.values())


def test_who_cannot_be_placed_is_told():
    assert {cell.peer for cell in tiering.cells(tiering.options(["--workload", "redis"]))} >= {"ideal", "none", "tiermem"}
    assert "slow" not in {cell.peer for cell in tiering.cells(tiering.options(["--workload", "redis"]))}


def test_a_peer_that_no_workload_can_have_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        tiering.options(["--workload", "redis", "--peer", "slow"])
    assert ended.value.code == 2 and "peer 'slow' is for the workloads of tierload only: gups" in capsys.readouterr().err
