# SPDX-License-Identifier: GPL-2.0-or-later
"""QoS hints: CPU time and bytes moved in every ten seconds, beside what the host allows, under a load that wants far more.

A guest on the model clock (docs/tiermeter.md). Its program's hot part is elsewhere every few seconds. Twice a second the
guest says what the driver has counted, and what the scheduler has counted for the driver's thread.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import unattended
from tiering_guest import CPU, SERIES, TIERLOAD, build
from tiermem_bench import Row
from tiermem_bench.tiering_peers import QUIET, TIERING
from tiermem_build import log
from tiermem_vm import Config
from tiermeter import Meter

MIB = 1 << 20
SECONDS = 60  # of the guest
WINDOW = 10.0
STEP = 0.5  # between two looks
PATIENCE = 3600  # host seconds; machines are shared
# Some 25,000 copies are wanted at each start and each shift: 0.5 s of CPU time, 96 MiB.
LOAD = "tierload shift --size 192M --hot 48M --seconds 6"
SCRIPT = f"""{QUIET}sleep 3
tiering=$(echo {TIERING})
(for seed in $(seq 20); do {LOAD} --seed $seed >/dev/null || break; done) &
thread=$(pidof tiermem)
for look in $(seq {round(SECONDS / STEP)}); do
    sleep {STEP}
    echo "look" $(cut -d' ' -f1 /proc/uptime) $(cat $tiering/time_ns) promoted $(cat $tiering/promoted) demoted $(
        cat $tiering/demoted) thread $(cut -d' ' -f1 /proc/$thread/schedstat)
done
"""


@dataclass(frozen=True)
class Look:
    """What had been counted at a time of the guest (seconds): CPU time in ns, and bytes."""
    time: float
    cpu: int
    thread: int
    moved: int


def looks(said):
    """The looks that the guest told of."""
    found = []
    for line in re.findall(r"look (.*)", said):
        time, *words = line.split()
        counted = {name: int(value) for name, value in zip(words[::2], words[1::2])}
        found.append(Look(float(time), counted["sample"] + counted["classify"] + counted["move"], counted["thread"],
                          counted["promoted"] + counted["demoted"]))
    if len(found) < 2 * WINDOW / STEP:
        raise RuntimeError(f"the guest told of {len(found)} looks, too few for a window; it said at last:\n{said[-400:]}")
    return found


def most(found, what):
    """The highest rate per second within any window."""
    rates = []
    for first in found:
        last = next((look for look in found if look.time >= first.time + WINDOW), None)
        if last is not None:
            rates.append((getattr(last, what) - getattr(first, what)) / (last.time - first.time))
    return max(rates)


def whole(found, what):
    """The rate per second over all of the run."""
    return (getattr(found[-1], what) - getattr(found[0], what)) / (found[-1].time - found[0].time)


def observed(options):
    """Looks at a guest whose device has these options."""
    with tempfile.TemporaryDirectory(prefix="hints-") as folder:
        meter = Meter(log=Path(folder) / "meter.jsonl", clock=True)
        config = Config(**meter.settings(kernel=SERIES, cpu=CPU, append="no_timer_check", fast=224 * MIB, slow=320 * MIB,
                                         tiermem=True, tiermem_options=options, add=[(TIERLOAD, "/bin/tierload")]))
        return looks(unattended.run(config, SCRIPT, PATIENCE, name="hints"))


def judged(what, found, counter, allowed, unit):
    """Rows of one hint. That less is used than allowed over the whole run would be no holding either."""
    yield Row(f"{what}: most in any {WINDOW:.0f} s over what is allowed", round(most(found, counter) / allowed, 3), "ratio",
              f"allowed, {unit}", allowed, "<= 1.1")
    yield Row(f"{what}: over the whole run over what is allowed", round(whole(found, counter) / allowed, 3), "ratio",
              f"allowed, {unit}", allowed, ">= 0.9")


def rows():
    """All rows."""
    build()
    log.step(f"without a tight hint: {SECONDS} s of a guest")
    free = observed("cpu-budget=1000")
    log.step("CPU budget")
    permille = 10
    budget = observed(f"cpu-budget={permille}")
    log.step("bandwidth")
    allowed = 4 * MIB
    bandwidth = observed(f"cpu-budget=1000,migration-bandwidth={allowed}")
    yield Row("wanted: CPU time", round(whole(free, "cpu") / 1e6, 1), "ms/s")
    yield Row("wanted: bytes moved", round(whole(free, "moved") / MIB, 1), "MiB/s")
    yield from judged("CPU budget of 10 permille", budget, "cpu", permille * 1e6, "ns/s")
    yield Row("CPU budget of 10 permille: the driver's thread, most in any 10 s, by the scheduler's count, over what is allowed",
              round(most(budget, "thread") / (permille * 1e6), 3), "ratio", "allowed, ns/s", permille * 1e6, "<= 1.1")
    yield from judged("bandwidth of 4 MiB/s", bandwidth, "moved", allowed, "bytes/s")
