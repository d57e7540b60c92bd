# SPDX-License-Identifier: GPL-2.0-or-later
"""Shrink: half of the fast memory is taken from a guest whose program has all of its memory there.

A guest on the model clock (docs/tiermeter.md) runs the bench's gups. After some seconds the host halves its fast quota,
with a deadline. What it should have afterwards is what a second guest has: the same program with its hottest pages in as
much fast memory as the first one was left with (`tierload --place ideal`).
"""

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import unattended
from balance_monitor import Client
from tiering_guest import CPU, SERIES, TIERLOAD, build, last_ns
from tiermem_bench import Row
from tiermem_bench.tiering_figures import SECOND, WINDOW
from tiermem_bench.tiering_peers import QUIET
from tiermem_build import log
from tiermem_vm import Config
from tiermeter import Meter, read_log

MIB = 1 << 20
FAST, SLOW = 448 * MIB, 320 * MIB
LOAD = "tierload gups --size 192M --hot 16M"
SECONDS = 17  # of the guest, that the program works
SHRINK_AT = 12 * SECOND  # since boot; the program has its memory and works since about 7
DEADLINE_MS = 2000
PATIENCE = 3600  # host seconds; machines are shared
LOOK_MS = 20  # of the guest, between two lines of the meter
POLL = 0.02  # host seconds
# In /proc/vmstat: what it says, and its unit.
COUNTED = {"oom_kill": ("killed as memory was short", "processes"), "pswpout": ("swapped out", "pages"),
           "pgsteal_kswapd": ("reclaimed by kswapd", "pages"), "pgsteal_direct": ("reclaimed by who allocates", "pages")}


def script(place, seconds):
    """What the guest does: `place` is more of tierload's arguments, `seconds` how long it works."""
    return f"""{QUIET}sleep 3
count() {{ echo counted $(grep -E '^({"|".join(COUNTED)}) ' /proc/vmstat); }}
count
{LOAD} --seconds {seconds} {place} >/dev/null &
sleep {seconds}
for process in $(pidof tierload); do
    echo pages $(grep -o ' N0=[0-9]*' /proc/$process/numa_maps | cut -d= -f2)
done
wait $!
echo status $?
count
"""


@dataclass(frozen=True)
class Run:
    """What a guest said and what the meter saw of it."""
    said: str
    samples: list  # readings of the meter

    def share(self, begin, end):
        """The part of the program's misses that fast memory served between two times of the guest (ns)."""
        within = [sample for sample in self.samples if begin <= sample.time_ns <= end]
        return (within[-1] - within[0]).fast_share("user")

    def windows(self, begin):
        """[(time at its end, share)] of all half seconds from a time until a second before the end."""
        ends = [sample.time_ns for sample in self.samples if sample.time_ns >= begin + WINDOW]
        return [(end, self.share(end - WINDOW, end)) for end in ends if end <= self.samples[-1].time_ns - SECOND]

    @property
    def pages(self):
        """Pages of the program on fast memory near its end: of the largest of its processes, which does the work."""
        return max(sum(map(int, line.split())) for line in re.findall(r"^pages (.*)$", self.said, re.MULTILINE))

    def counted(self):
        """{name of COUNTED: how much it has grown}"""
        before, after = ({name: int(value) for name, value in zip(words[::2], words[1::2])}
                         for words in (line.split() for line in re.findall(r"^counted (.*)$", self.said, re.MULTILINE)))
        return {name: after[name] - before[name] for name in COUNTED}


class Shrinker:
    """The host: halves the fast quota at its time, and looks when the guest is there."""

    def __init__(self, readings):
        self.readings = readings
        self.asked = self.met = None  # ns of the guest's clock

    def __call__(self, machine):
        qmp = Client(machine._ends["qmp"])
        self._wait(machine, lambda: last_ns(self.readings) >= SHRINK_AT)
        self.asked = last_ns(self.readings)
        qmp("tiermem-set-quota", id="tm0", tiers=[{"tier": 0, "size": FAST // 2}], **{"deadline-ms": DEADLINE_MS})
        self._wait(machine, lambda: qmp("query-tiermem")[0]["tiers"][0]["actual"] <= FAST // 2)
        self.met = last_ns(self.readings)

    def _wait(self, machine, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            machine.check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the guest did not get there within {PATIENCE} s\n{machine.place.describe()}")
            time.sleep(POLL)


def observed(place, seconds, tiermem, host=lambda readings: lambda machine: None):
    """(run, what has acted on it from the host) of a guest with the program."""
    with tempfile.TemporaryDirectory(prefix="shrink-") as folder:
        readings = Path(folder) / "meter.jsonl"
        acting = host(readings)
        config = Config(**Meter(log=readings, clock=True, interval_ms=LOOK_MS).settings(
            kernel=SERIES, cpu=CPU, append="no_timer_check", fast=FAST, slow=SLOW, tiermem=tiermem,
            add=[(TIERLOAD, "/bin/tierload")]))
        said = unattended.run(config, script(place, seconds), PATIENCE, name="shrink", started=acting)
        if "status 0" not in said:
            raise RuntimeError(f"the program failed; the guest said at last:\n{said[-400:]}")
        return Run(said, read_log(readings).samples), acting


def rows():
    """All rows."""
    build()
    log.step(f"the fast quota is halved after {SHRINK_AT // SECOND} s of a guest")
    run, host = observed("", SECONDS, True, Shrinker)
    log.step(f"the ideal for the {run.pages} pages that were left")
    ideal, _ = observed(f"--place ideal --fast-bytes {run.pages * 4096}B", 8, False)
    end = ideal.samples[-1].time_ns - SECOND
    best = ideal.share(end - 4 * SECOND, end)
    windows = run.windows(host.asked)
    late = [end for end, share in windows if share < .95 * best]
    last = windows[-1][0]
    yield Row("time until the quota was met, of the deadline", round((host.met - host.asked) / 1e6 / DEADLINE_MS, 3), "ratio",
              "deadline, ms", DEADLINE_MS, "<= 1")
    yield Row("least fast share in half a second over the ideal's", round(min(share for _, share in windows) / best, 4), "ratio",
              "ideal", round(best, 4))
    yield Row("until it stays at .95 of the ideal's", round((max(late, default=host.asked) - host.asked) / SECOND, 2), "s",
              bar="<= 5")
    yield Row("fast share at the end over the ideal's", round(run.share(last - 4 * SECOND, last) / best, 4), "ratio", "ideal",
              round(best, 4), ">= 0.95")
    for name, growth in run.counted().items():
        what, unit = COUNTED[name]
        yield Row(what, growth, unit, bar="<= 0")
