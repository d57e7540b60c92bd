# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of the balance bench, from runs that were made up."""

import pytest

from tiermem_bench import balance_figures as figures
from tiermem_bench.balance_figures import SECOND


def run_events(begin, *operations):
    """tierload's lines of a run that did so many operations in each second."""
    lines = [{"event": "interval", "tsc": begin + number * SECOND, "interval_operations": count}
             for number, count in enumerate(operations, 1)]
    return [{"event": "settings"}, {"event": "start", "tsc": begin}, *lines]


def test_operations_are_those_between_two_times():
    points = figures.progress(run_events(3 * SECOND, 100, 200, 300))
    assert figures.operations_at(points, 3 * SECOND) == 0 and figures.operations_at(points, 6 * SECOND) == 600
    assert figures.rate(points, 3 * SECOND, 6 * SECOND) == pytest.approx(200)
    assert figures.rate(points, 4.5 * SECOND, 5.5 * SECOND) == pytest.approx(250)


def test_times_that_the_program_does_not_tell_of():
    points = figures.progress(run_events(3 * SECOND, 100))
    for time in (2.9, 4.1):
        with pytest.raises(ValueError, match=f"nothing of {time}0 s"):
            figures.operations_at(points, time * SECOND)
    with pytest.raises(ValueError, match="not begun"):
        figures.progress([{"event": "settings"}])


def test_all_splits():
    assert sorted(figures.splits(2, 2)) == [(0, 2), (1, 1), (2, 0)]
    found = list(figures.splits(6, 3))
    assert len(found) == len(set(found)) == 28 and all(sum(split) == 6 and min(split) >= 0 for split in found)


def test_the_best_split_and_equal_shares():
    rates = [[0, 10, 20, 30], [5, 6, 7, 8], [0, 12, 13, 14]]
    assert figures.best_split(rates, 3) == (20 + 5 + 12, (2, 0, 1))
    assert figures.equal_share(rates, 3) == 10 + 6 + 12
    assert figures.equal_share([[0, 10], [0, 30]], 1) == pytest.approx(20)


def test_settled_after_the_last_interval_that_moved_much():
    assert figures.settled_after([9, 0, 5, 1, 0], 1) == 3
    assert figures.settled_after([1, 0], 1) == 0
