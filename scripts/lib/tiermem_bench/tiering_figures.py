# SPDX-License-Identifier: GPL-2.0-or-later
"""What one run showed: from tierload's marks and the meter's samples to the figures of the table.

Pure: events are tierload's JSON lines as dicts, samples are `Counts` by guest time. Times are nanoseconds of the guest's
clock, which tierload reads as its time stamp counter; figures are in seconds and shares between 0 and 1.
"""

import bisect
from dataclasses import dataclass

SECOND = 1_000_000_000
PAGE = 4096
WINDOW = SECOND // 2  # over which a share must hold to count as reached
REACHED = 0.9  # of the ideal's share
LAST_PART = 1 / 3  # of the run, which is called settled


@dataclass(frozen=True)
class Counts:
    """Totals since the machine started, over all vCPUs."""
    time: int
    fast: int  # misses of user code that fast memory served
    slow: int
    user_stall: int  # nanoseconds that those misses took
    kernel_instructions: int
    kernel_stall: int

    def minus(self, earlier):
        """What happened since then; `time` is how long it took."""
        return Counts(*(a - b for a, b in zip(self.as_list(), earlier.as_list())))

    def as_list(self):
        """The fields in order."""
        return [self.time, self.fast, self.slow, self.user_stall, self.kernel_instructions, self.kernel_stall]

    @property
    def share(self):
        """The part of the misses that fast memory served; None without misses."""
        return self.fast / (self.fast + self.slow) if self.fast + self.slow else None

    @property
    def kernel_share(self):
        """The part of the time that the kernel took, an instruction being a nanosecond; None when no time passed."""
        return (self.kernel_instructions + self.kernel_stall) / self.time if self.time else None


class Course:
    """Counts over time. At a time between two samples it is as at the earlier one."""

    def __init__(self, samples):
        self.samples = sorted(samples, key=lambda counts: counts.time)
        self.times = [counts.time for counts in self.samples]

    def at(self, time):
        """The counts at a time; raises ValueError before the first sample."""
        index = bisect.bisect_right(self.times, time) - 1
        if index < 0:
            raise ValueError("the meter has no sample that early")
        return self.samples[index]

    def between(self, begin, end):
        """What happened from one time to the other."""
        return self.at(end).minus(self.at(begin))

    def series(self, begin, end, step=SECOND):
        """[(seconds since begin, share)] for each step, at its end."""
        found = []
        for time in range(begin + step, end + 1, step):
            share = self.between(time - step, time).share
            if share is not None:
                found.append(((time - begin) / SECOND, share))
        return found

    def reached(self, target, begin, end, step=SECOND // 10):
        """Seconds from begin until the share over a window is the target; None if it never is."""
        for time in range(begin + WINDOW, end + 1, step):
            share = self.between(time - WINDOW, time).share
            if share is not None and share >= target:
                # A window that is good from the start on was good at once.
                return 0.0 if time == begin + WINDOW else (time - begin) / SECOND
        return None


def marks(events):
    """{name: event} of the phases that tierload has marked; raises ValueError when the run is not whole."""
    found = {event["event"]: event for event in events if event["event"] in ("populated", "start", "shift", "end")}
    missing = [name for name in ("start", "end") if name not in found]
    if missing or not any(event["event"] == "total" for event in events):
        raise ValueError(f"the program did not get to its {missing[0] if missing else 'total'}")
    return found


def settled(course, begin, end):
    """What happened in the last part of a time."""
    return course.between(end - int((end - begin) * LAST_PART), end)


def moved(phases):
    """Pages of 4 KiB that changed their node from start to end: by the files that tierload watched, which count bytes,
    else by the kernel's count of migrations."""
    begin, end = phases["start"], phases["end"]
    if "watched" in end:
        return (sum(end["watched"].values()) - sum(begin["watched"].values())) // PAGE
    return end["vmstat"].get("pgmigrate_success", 0) - begin["vmstat"].get("pgmigrate_success", 0)


def figures(events, course):
    """What a run shows by itself, as a dict."""
    phases = marks(events)
    begin, end = phases["start"]["tsc"], phases["end"]["tsc"]
    whole, total = course.between(begin, end), next(event for event in events if event["event"] == "total")
    intervals = [event for event in events if event["event"] == "interval"]
    late = [event for event in intervals if event["tsc"] > end - (end - begin) * LAST_PART]
    misses = whole.fast + whole.slow
    return {
        "begin": begin, "end": end, "shift": phases["shift"]["tsc"] if "shift" in phases else None,
        "seconds": (end - begin) / SECOND,
        "fast_share": settled(course, begin, end).share, "fast_share_whole": whole.share,
        "memory_ns": whole.user_stall / misses if misses else None,
        "misses": misses,
        "operations": total["operations"], "checksum": total["checksum"],
        "rate": total["operations_per_second"],
        "late_rate": _rate(late),
        "kernel_instructions": whole.kernel_instructions,
        "kernel_share": whole.kernel_share,
        "pages_moved": moved(phases),
        "series": course.series(begin, end),
    }


def _rate(intervals):
    time = sum(event["interval_ns"] for event in intervals)
    return sum(event["interval_operations"] for event in intervals) * SECOND / time if time else None


def times_to_ideal(course, run, ideal_share):
    """(seconds to REACHED of the ideal's share after the start, the same after the shift); None: never or no shift."""
    if ideal_share is None:
        return None, None
    target = REACHED * ideal_share
    first = course.reached(target, run["begin"], run["shift"] or run["end"])
    second = course.reached(target, run["shift"], run["end"]) if run["shift"] else None
    return first, second
