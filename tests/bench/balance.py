# SPDX-License-Identifier: GPL-2.0-or-later
"""Balance: three machines of different heat share fast memory for half of their hot sets, against all static splits.

Guests on a model clock (docs/tiermeter.md); `tiermemctl balance` decides at the same times of their clocks.
docs/balance.md says how, and what the rows mean. Static runs that were finished before are taken from the cache.
"""

import argparse
import json
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tiermem_build import log, paths

PROG = "bench balance"
MIB = 1 << 20
SECOND = 1_000_000_000
TIERMEMCTL = paths.BUILD / "tools/tiermemctl/tiermemctl"
PATIENCE = 600  # host seconds in which a guest's clock may stand still; machines are shared
MINIMUM = 112 * MIB  # guaranteed: what a guest's kernel has of its fast node, and a little for the program
WARM = 5 * SECOND  # after a program's start, before the first decision: the driver knows its heat by then
SETTLE = 5 * SECOND  # of a static run, before it is measured
MEASURE = 6 * SECOND
INTERVAL = 2 * SECOND
PARTS = 5  # an interval's steps while a machine waits for others to shrink, as tiermemctl's own
LEARNING = 5  # intervals in which the balancer has to settle
SAMPLE = 0.1  # host seconds between two looks at what is resident
CALM = 0.01  # of the memory, that may move in an interval after that


def heats():
    """The three machines: one that works all the time, and two that mostly have nothing to do."""
    from balance_guest import Heat
    return [Heat("busy", size=192 * MIB, hot=48 * MIB), Heat("some", size=96 * MIB, hot=24 * MIB, busy=0.2),
            Heat("calm", size=96 * MIB, hot=24 * MIB, busy=0.05)]


def spare(machines):
    """Bytes that are shared beside the minima: half of all hot sets."""
    return sum(heat.hot for heat in machines) // 2


def options(words):
    """The command line."""
    made = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--unit", type=int, default=8, metavar="MIB", help="of the static splits (default 8; a divisor of 48)")
    made.add_argument("--intervals", type=int, default=10, metavar="N", help="of the balanced run, 2 s each (default 10)")
    made.add_argument("--jobs", type=int, default=2, metavar="N", help="guests that run at a time (default 2)")
    made.add_argument("--again", action="store_true", help="do not use finished runs")
    made.add_argument("--json", metavar="FILE", help="also as docs/bench.schema.json says; - is stdout, without the table")
    made.add_argument("--steps", metavar="FILE", help="also what the balancer said, a line of JSON for each step")
    chosen = made.parse_args(words)
    if chosen.unit < 1 or spare(heats()) % (chosen.unit * MIB):
        made.error(f"--unit {chosen.unit}: a divisor of {spare(heats()) // MIB} is allowed")
    if chosen.intervals <= LEARNING:
        made.error(f"--intervals {chosen.intervals}: more than {LEARNING} are allowed")
    if chosen.jobs < 1:
        made.error(f"--jobs {chosen.jobs}: at least 1 is allowed")
    return chosen


# static splits

def static_rate(heat, quota):
    """Operations per second of a machine with a quota that stays."""
    from balance_guest import Guest, Host
    from tiermem_bench import balance_figures as figures
    seconds = (SETTLE + MEASURE) // SECOND + 1
    with tempfile.TemporaryDirectory(prefix="balance-") as folder, Guest(heat, Host(), quota, seconds, folder) as guest:
        guest.until(guest.began, PATIENCE)
        begin = guest.began() + SETTLE
        guest.until(lambda: guest.progress()[-1][0] >= begin + MEASURE, PATIENCE)
        return {"rate": figures.rate(guest.progress(), begin, begin + MEASURE), "actual": guest.fast()["actual"]}


def static_rates(chosen, programs):
    """[[operations per second for each quota] for each machine]."""
    from balance_guest import Host
    from tiermem_bench import tiering_store
    units = spare(heats()) // (chosen.unit * MIB)
    cells = [(heat, MINIMUM + unit * chosen.unit * MIB) for unit in range(units + 1) for heat in heats()]

    def one(cell):
        heat, quota = cell
        key = programs.key(heat, Host(), SETTLE + MEASURE, "static", quota, SETTLE, MEASURE)
        run = None if chosen.again else tiering_store.load(key)
        if run is None:
            run = static_rate(heat, quota)
            tiering_store.save(key, run)
        log.step(f"{heat.name} with {quota // MIB} MiB: {run['rate'] / 1e6:.3f} Mops"
                 + ("" if run["actual"] == quota else f"; it has {run['actual'] // MIB} MiB"))
        return run["rate"]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        rates = dict(zip(cells, pool.map(one, cells)))
    return [[rates[heat, quota] for other, quota in cells if other == heat] for heat in heats()]


# the balanced run

class Residents(threading.Thread):
    """Adds up, ten times a second, what the host's kernel says that it holds of the machines' fast memory."""

    def __init__(self, blocks):
        super().__init__(daemon=True)
        from tiermem_vm import host_memory
        self.resident = host_memory.resident
        self.blocks = blocks
        self.most = self.samples = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE):
            self.most = max(self.most, sum(self.resident(*block) for block in self.blocks))
            self.samples += 1


class Fleet:
    """The machines of the balanced run, whose clocks go on together, and the balancer."""

    def __init__(self, guests, jobs):
        self.guests = guests
        self.pool = ThreadPoolExecutor(jobs)
        self.zero = {}  # each guest's clock when the first decision is taken
        self.skew = 0  # the most by which a guest was stopped too late for a step, nanoseconds

    def begin(self):
        """Lets each run until the driver knows its program."""
        def one(guest):
            guest.go()
            guest.until(guest.began, PATIENCE)
            guest.run_to(guest.began() + WARM, PATIENCE)
            guest.stop()
            return guest.now()
        self.zero = dict(zip(self.guests, self.pool.map(one, self.guests)))

    def run_to(self, at):
        """Lets each run until a time since the first decision."""
        def one(guest):
            guest.go()
            guest.run_to(self.zero[guest] + at, PATIENCE)
            guest.stop()
        list(self.pool.map(one, self.guests))

    def step(self, balancer, at):
        """A step of the balancer while all of them wait."""
        balancer.stdin.write("\n")
        balancer.stdin.flush()
        line = balancer.stdout.readline()
        self.skew = max([self.skew, *(guest.now() - self.zero[guest] - at for guest in self.guests)])
        if not line:
            raise RuntimeError(f"tiermemctl balance has ended with status {balancer.wait()}")
        return json.loads(line)


def policy_text(total):
    """The balancer's policy. What it measures by the host's clock (patience, age) would mean nothing here."""
    return (f'fast-total = "{total}"\n[tuning]\npatience = "1h"\nstale = "1h"\n'
            f'[[machine]]\nname = "*"\nfast-min = "{MINIMUM}"\nfast-base = "{MINIMUM}"\n')


def policy(folder, total):
    """The file with it."""
    file = Path(folder) / "policy.toml"
    file.write_text(policy_text(total))
    return file


def balanced(chosen, total):
    """What happened in the balanced run, as a dict."""
    from balance_guest import Guest, Host
    seconds = (WARM + (chosen.intervals + 2) * INTERVAL) // SECOND
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="balance-"))
        guests = []
        for heat in heats():
            own = Path(folder) / heat.name
            own.mkdir()
            guests.append(stack.enter_context(Guest(heat, Host(), total // len(heats()), seconds, own)))
            guests[-1].stop()
        fleet = Fleet(guests, chosen.jobs)
        fleet.begin()
        log.step("balanced: all machines have begun")
        residents = Residents([guest.block() for guest in guests])
        residents.start()
        command = [TIERMEMCTL, "balance", "--on-input", "--json", "--timeout", f"{PATIENCE}s", "--policy-file",
                   policy(folder, total), "--socket", f"{folder}/*/machine.qmp"]
        with subprocess.Popen([str(word) for word in command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as balancer:
            steps = drive(fleet, balancer, chosen.intervals)
            balancer.stdin.close()
        residents.over.set()
        residents.join()
        return {"steps": steps, "resident": residents.most, "samples": residents.samples, "skew": fleet.skew,
                "actual": {guest.heat.name: guest.fast()["actual"] for guest in guests},
                "zero": {guest.heat.name: fleet.zero[guest] for guest in guests},
                "progress": {guest.heat.name: guest.progress() for guest in guests}}


def balanced_run(chosen, programs, total):
    """The same from the cache, or now."""
    from balance_guest import Host
    from tiermem_bench import tiering_store
    key = programs.key_of_all(heats(), Host(), TIERMEMCTL, chosen.intervals, INTERVAL, PARTS, WARM, total, policy_text(total))
    run = None if chosen.again else tiering_store.load(key)
    if run is None:
        began = time.monotonic()
        run = balanced(chosen, total)
        tiering_store.save(key, run)
        log.step(f"the balanced run took {time.monotonic() - began:.0f} s")
    return run


def drive(fleet, balancer, intervals):
    """The steps of each interval, as tiermemctl takes them by itself: one, and more while some wait for others."""
    steps = []
    for interval in range(intervals):
        begin = interval * INTERVAL
        steps.append([fleet.step(balancer, begin)])
        for part in range(1, PARTS):
            if not steps[-1][-1]["waits"]:
                break
            at = begin + part * INTERVAL // PARTS
            fleet.run_to(at)
            steps[-1].append(fleet.step(balancer, at))
        fleet.run_to(begin + INTERVAL)
        quotas = ", ".join(f"{one['machine']} {one['quota'] // MIB}" for one in steps[-1][-1]["machines"])
        log.step(f"interval {interval + 1}: {quotas} MiB")
    # What a program says comes a little later than it was so.
    fleet.run_to(intervals * INTERVAL + SECOND // 2)
    return steps


# what came of it

def rows(chosen, rates, run, total):
    """The figures, with the bars of what the bench is to show."""
    from tiermem_bench import Row
    from tiermem_bench import balance_figures as figures
    units = spare(heats()) // (chosen.unit * MIB)
    best, split = figures.best_split(rates, units)
    equal = figures.equal_share(rates, units)
    names = ", ".join(f"{heat.name} {(MINIMUM >> 20) + unit * chosen.unit}" for heat, unit in zip(heats(), split))

    def operations(first):
        begin, end = first * INTERVAL, chosen.intervals * INTERVAL
        return sum(figures.rate(run["progress"][name], zero + begin, zero + end) for name, zero in run["zero"].items())
    settled, whole = operations(LEARNING), operations(0)
    yield Row("operations, after five intervals, over equal shares", settled / equal, "ratio", "equal shares, operations/s", equal, ">= 1.2")
    yield Row(f"the same over the best of {len(list(figures.splits(units, len(rates))))} static splits ({names} MiB)", settled / best,
              "ratio", "best split, operations/s", best, ">= 0.97")
    yield Row("operations from the first decision on, over equal shares", whole / equal, "ratio", "equal shares, operations/s", equal)
    yield Row("the same over the best static split", whole / best, "ratio", "best split, operations/s", best)
    least = min(one["quota"] for steps in run["steps"] for step in steps for one in step["machines"])
    yield Row("least quota, beyond the guaranteed minimum", (least - MINIMUM) / MIB, "MiB", bar=">= 0")
    moved = [sum(step["moving"] for step in steps) for steps in run["steps"]]
    yield Row("intervals until it has settled", figures.settled_after(moved, CALM * total), "intervals", bar=f"<= {LEARNING}")
    yield Row("memory moved in an interval after that, at most", max(moved[LEARNING:]) / total, "share", bar=f"<= {CALM}")
    yield Row(f"fast memory resident on the host, highest of {run['samples']} sums", run["resident"] / MIB, "MiB", "total given",
              total / MIB, f"<= {total // MIB}")
    yield Row("a machine stopped later than a step's time, at most", run["skew"] / 1e6, "ms")


def build_tool():
    """tiermemctl, in the build folder of everything that is ours."""
    log.run(["ninja", "-C", paths.BUILD, "tools/tiermemctl/tiermemctl"], paths.LOGS / "bench-compile.log", "building tiermemctl")


def main(words):
    """Runs it all; the status is 0 when every bar holds."""
    chosen = options(words)
    from tiermem_build import host
    host.ensure()
    from balance_guest import Guest, Programs
    from tiermem_bench import report

    def interrupted(*_):
        Guest.interrupted.set()
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupted)
    programs = Programs()
    build_tool()
    total = len(heats()) * MINIMUM + spare(heats())
    run = balanced_run(chosen, programs, total)
    if chosen.steps:
        Path(chosen.steps).write_text("".join(json.dumps(step) + "\n" for steps in run["steps"] for step in steps))
    found = list(rows(chosen, static_rates(chosen, programs), run, total))
    text = json.dumps(report.as_json("balance", found), indent=4)
    print(text if chosen.json == "-" else "\n".join(report.table(found)))
    if chosen.json and chosen.json != "-":
        Path(chosen.json).write_text(text + "\n")
    return 0 if all(row.holds is not False for row in found) else 1
