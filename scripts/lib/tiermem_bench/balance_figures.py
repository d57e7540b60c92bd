# SPDX-License-Identifier: GPL-2.0-or-later
"""What the balance bench makes of its runs: operations over a time, splits of the fast memory, how the balancer settled.

Pure. Times are nanoseconds of a guest's clock, sizes are bytes, rates are operations per second.
"""

import bisect
import itertools

SECOND = 1_000_000_000


def progress(events):
    """[(time, operations so far)] of a run, from tierload's JSON lines; raises ValueError when it did not begin."""
    begin = next((event["tsc"] for event in events if event["event"] == "start"), None)
    if begin is None:
        raise ValueError("the program has not begun to work")
    points, sum_of = [(begin, 0)], 0
    for event in events:
        if event["event"] == "interval":
            sum_of += event["interval_operations"]
            points.append((event["tsc"], sum_of))
    return points


def operations_at(points, time):
    """Operations until a time; linear between two points. Raises ValueError beyond them."""
    if not points[0][0] <= time <= points[-1][0]:
        raise ValueError(f"the program tells nothing of {time / SECOND:.2f} s")
    after = max(1, bisect.bisect_left(points, (time, 0)))
    (t0, n0), (t1, n1) = points[after - 1], points[after]
    return n0 + (n1 - n0) * (time - t0) / (t1 - t0)


def rate(points, begin, end):
    """Operations per second from one time to another."""
    return (operations_at(points, end) - operations_at(points, begin)) * SECOND / (end - begin)


def splits(units, machines):
    """All ways to give out `units` pieces to so many machines, as tuples."""
    for cuts in itertools.combinations_with_replacement(range(units + 1), machines - 1):
        yield tuple(b - a for a, b in zip((0, *cuts), (*cuts, units)))


def best_split(rates, units):
    """(operations per second, split) of the best one; rates[i][k] is machine i's with k pieces."""
    return max((sum(rates[i][k] for i, k in enumerate(split)), split) for split in splits(units, len(rates)))


def equal_share(rates, units):
    """Operations per second when each machine has the same; between two of the measured quotas, linear."""
    share, whole = units / len(rates), units // len(rates)
    return sum(of[whole] + (of[min(whole + 1, units)] - of[whole]) * (share - whole) for of in rates)


def settled_after(moved, most):
    """The number of intervals until none moves more than `most` bytes; moved[i] is what interval i moved."""
    return max((number for number, size in enumerate(moved, 1) if size > most), default=0)
