# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of the tiering bench, from runs that were made up."""

import pytest

from tiermem_bench import tiering_figures as figures
from tiermem_bench.tiering_figures import SECOND, Counts, Course

TENTH = SECOND // 10


def course(share_at, seconds, per_sample=1000):
    """Samples each tenth of a second of misses of which share_at(second) are fast; a miss takes 80 or 200 ns."""
    fast = slow = 0
    samples = [Counts(0, 0, 0, 0, 0, 0)]
    for number in range(1, seconds * 10 + 1):
        now = round(per_sample * share_at(number / 10))
        fast, slow = fast + now, slow + per_sample - now
        samples.append(Counts(number * TENTH, fast, slow, 80 * fast + 200 * slow, 10 * number, 5 * number))
    return Course(samples)


def event(kind, second, **more):
    return {"event": kind, "tsc": int(second * SECOND), "guest_ns": int(second * SECOND), **more}


def run_events(begin, end, shift=None):
    """tierload's lines of a run with 1000 operations in each second."""
    found = [event("start", begin, vmstat={"pgmigrate_success": 5})]
    found += [event("shift", shift, vmstat={})] if shift else []
    found += [event("interval", second, interval_ns=SECOND, interval_operations=1000) for second in range(begin + 1, end + 1)]
    return [*found, event("end", end, vmstat={"pgmigrate_success": 105}),
            {"event": "total", "operations": 1000 * (end - begin), "operations_per_second": 1000.0, "checksum": 7}]


def test_the_settled_share_is_that_of_the_last_third():
    run = figures.figures(run_events(0, 9), course(lambda second: 0.9 if second > 6 else 0.1, 10))
    assert run["fast_share"] == pytest.approx(0.9)
    assert run["fast_share_whole"] == pytest.approx((6 * 0.1 + 3 * 0.9) / 9)
    assert run["memory_ns"] == pytest.approx(200 - 120 * run["fast_share_whole"])


def test_only_what_lies_between_start_and_end_counts():
    run = figures.figures(run_events(2, 5), course(lambda second: 0.5 if 2 < second <= 5 else 0.0, 8))
    assert run["fast_share_whole"] == pytest.approx(0.5)
    assert (run["misses"], run["pages_moved"], run["kernel_instructions"]) == (30_000, 100, 300)
    assert run["kernel_share"] == pytest.approx((300 + 150) / (3 * SECOND))
    assert run["series"] == [(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)]


def test_the_late_rate_is_that_of_the_last_third():
    events = run_events(0, 9)
    for line in events:
        if line["event"] == "interval" and line["tsc"] > 6 * SECOND:
            line["interval_operations"] = 4000
    assert figures.figures(events, course(lambda _: 0.5, 9))["late_rate"] == pytest.approx(4000)


def test_time_to_the_ideals_share():
    here = course(lambda second: 0.9 if 3 < second <= 6 or second > 8 else 0.1, 10)
    run = figures.figures(run_events(0, 10, shift=6), here)
    first, second = figures.times_to_ideal(here, run, 0.9)
    # The share over half a second is 0.81 when 0.44 s of it are good.
    assert first == pytest.approx(3.5, abs=0.11) and second == pytest.approx(2.5, abs=0.11)


def test_a_share_that_is_never_reached_has_no_time():
    here = course(lambda _: 0.5, 5)
    assert figures.times_to_ideal(here, figures.figures(run_events(0, 5), here), 0.9) == (None, None)
    assert figures.times_to_ideal(here, figures.figures(run_events(0, 5), here), None) == (None, None)


def test_a_share_that_is_there_from_the_start_takes_no_time():
    here = course(lambda _: 0.9, 5)
    assert figures.times_to_ideal(here, figures.figures(run_events(1, 5), here), 0.9) == (0.0, None)


def test_without_misses_there_is_no_share():
    here = course(lambda _: 0.5, 5, per_sample=0)
    run = figures.figures(run_events(0, 5), here)
    assert run["fast_share"] is None and run["memory_ns"] is None and run["series"] == []


def test_pages_moved_are_those_of_the_watched_files_where_there_are_any():
    events = run_events(0, 5)
    for line in events:
        if line["event"] in ("start", "end"):
            line["watched"] = {"promoted": 4096 * (7 if line["event"] == "end" else 2), "demoted": 4096 * 10}
    assert figures.figures(events, course(lambda _: 0.5, 5))["pages_moved"] == 5


@pytest.mark.parametrize("gone", ["start", "end", "total"])
def test_a_run_that_is_not_whole_is_refused(gone):
    events = [line for line in run_events(0, 5) if line["event"] != gone]
    with pytest.raises(ValueError, match="did not get to its"):
        figures.figures(events, course(lambda _: 0.5, 5))


def test_a_time_before_the_first_sample_is_refused():
    with pytest.raises(ValueError, match="no sample that early"):
        Course([Counts(5, 0, 0, 0, 0, 0)]).at(4)
