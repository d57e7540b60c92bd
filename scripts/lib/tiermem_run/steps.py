# SPDX-License-Identifier: GPL-2.0-or-later
"""Which quotas are set one after another, and what came of each."""

import time
from dataclasses import dataclass

from tiermem_vm import parse_size

from .watch import View

PATIENCE = 90  # seconds of the host for one step; a deadline counts the guest's time
INTERVAL = 1.0  # seconds between two looks
MISSED = "TIERMEM_QUOTA_MISSED"


@dataclass(frozen=True)
class Step:
    """Quotas of both tiers, set in one call."""
    name: str
    fast: int
    slow: int
    deadline_ms: int | None = None


@dataclass(frozen=True)
class Outcome:
    """A step with the looks before and after it."""
    step: Step
    before: View
    after: View
    seconds: float
    missed: bool  # the device has reported that the deadline was missed

    def as_json(self):
        """For --json."""
        return {"name": self.step.name, "fast": self.step.fast, "slow": self.step.slow,
                "deadline-ms": self.step.deadline_ms, "reached": self.after.reached, "seconds": round(self.seconds, 2),
                "missed": self.missed, "before": self.before.as_json(), "after": self.after.as_json()}


def plan(*rows):
    """Steps of (name, fast, slow[, deadline in ms]) with sizes as people write them."""
    return [Step(name, parse_size(fast), parse_size(slow), *more) for name, fast, slow, *more in rows]


FAST, SLOW = parse_size("640M"), parse_size("768M")  # the nodes
BOOT = Step("boot", parse_size("448M"), parse_size("512M"))
STEPS = plan(
    ("shrink slow", "448M", "256M"),
    ("shrink fast", "336M", "256M", 30_000),
    ("grow both", "576M", "640M"),
    ("shrink both", "320M", "256M", 30_000),
    ("whole nodes", "640M", "768M"),
    ("as booted", "448M", "512M"),
)


def take(machine, watcher, step, before, show):
    """Sets the step's quotas and looks until they are met and once more, or until patience ends; show(step, view) at
    each look. Returns the Outcome."""
    machine.events()
    deadline = {} if step.deadline_ms is None else {"deadline_ms": step.deadline_ms}
    machine.qmp("tiermem-set-quota", id="tm0", **deadline,
                tiers=[{"tier": 0, "size": step.fast}, {"tier": 1, "size": step.slow}])
    begin = time.monotonic()
    taken = None
    while taken is None and time.monotonic() - begin < PATIENCE:
        view = watcher.look()
        show(step.name, view)
        if view.reached:
            taken = time.monotonic() - begin
        time.sleep(INTERVAL)
    after = watcher.look()
    show(step.name, after)
    return Outcome(step, before, after, taken if taken is not None else time.monotonic() - begin,
                   any(event["event"] == MISSED for event in machine.events()))
