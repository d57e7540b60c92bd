# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sample costs: the driver's bulk reading of PEBS beside perf handling each record by itself.

Guest instructions on one vCPU with emulated PEBS while a program loads at random; differences to the same program
without sampling, in the same run of the same guest. The kernel boots without address randomization, twice: the first
boot tells where the module's code is, the second one counts it.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from tiermem_bench import Row
from tiermem_build import log, paths
from tiermeter import Tiermeter

sys.path.append(str(paths.TOP / "tests/vm/guest"))
import pebs_perf  # noqa: E402
import samples  # noqa: E402
import tiers  # noqa: E402

# 6.1 puts modules at other addresses at every boot, so that their code cannot be counted apart.
PAIRS = [("6.12", "icelake"), ("6.12", "skylake")]
ACCESSES = 40_000_000
ROUNDS = 3
BOOTS = 6  # modules are loaded in an order that changes now and then
PERIODS = {4093: "<= 0.002", 509: "<= 0.01"}  # bars: share of the guest's instructions
TOUCH = f"pebs-touch load {ACCESSES} 900"
UNIT = "instructions/sample"


def rows():
    """All rows, kernel by kernel."""
    for kernel, cpu in PAIRS:
        yield from rows_of(kernel, cpu)


def machine(kernel, cpu, meter):
    """A guest with one vCPU that is counted by the meter, to be started."""
    return pebs_perf.machine(kernel, cpu, cpus=1, tiermem=True, tiermem_options="cpu-budget=1000",
                             append="nokaslr no_timer_check",
                             # Guest time goes by instructions: a busy host adds no timer ticks.
                             qemu_args=["-icount", "shift=0,sleep=off", *meter.arguments()])


def module_code(vm):
    """(first, end) of the driver's code in the guest's memory."""
    text = vm.run("grep -i ' t .*\\[virtio_tiermem\\]' /proc/kallsyms").output
    addresses = sorted(int(line.split()[0], 16) for line in text.splitlines())
    return addresses[0], addresses[-1] + 0x1000


def rows_of(kernel, cpu):
    """The rows of one kernel and record format."""
    with tempfile.TemporaryDirectory(prefix="tiermem-bench-") as folder:
        counts, code = Path(folder) / "counts", None
        for _ in range(BOOTS):
            log.step(f"{kernel}, {cpu}: booting")
            meter = Tiermeter(counts, code)
            with machine(kernel, cpu, meter) as vm:
                tiers.wait_probed(vm)
                tiers.tiering(vm, False)
                found = module_code(vm)
                if found == code:
                    vm.run(pebs_perf.NO_THROTTLING)
                    samples.set_up(vm, event="loads")
                    yield from measured(f"{kernel}, {cpu}", Guest(vm, meter))
                    return
                code = found
    raise RuntimeError(f"{kernel}: the module's code was elsewhere at each of {BOOTS} boots")


class Guest:
    """Runs the program with and without sampling, and says what the guest executed meanwhile."""

    def __init__(self, vm, meter):
        self.vm = vm
        self.meter = meter

    def _count(self, command):
        before = self.meter.now()
        output = self.vm.run(command, timeout=600).output
        return self.meter.now() - before, output

    def plain(self):
        """Instructions without sampling."""
        return self._count(f"{TOUCH} >/dev/null")[0]

    def bulk(self, period):
        """(instructions, samples) with the driver's sampler at the period; nobody reads the rings."""
        samples.set_up(self.vm, period=period, enabled=1)
        before = self._seen()
        spent, _ = self._count(f"{TOUCH} >/dev/null")
        seen = self._seen() - before
        samples.set_up(self.vm, enabled=0)
        return spent, seen

    def _seen(self):
        counted = samples.counters(self.vm)
        return int(counted["records"]) + int(counted["lost_ring"])

    def each(self, period):
        """(instructions, samples) with perf, woken for each record. Its own start and end are taken off by recording
        a program that does nothing."""
        record = f"perf record -q --no-buffering -d -c {period} -e r81d0:upp -o /tmp/perf.data --"
        self._count(f"{record} true >/dev/null 2>&1")  # reads perf from the disk
        nothing, _ = self._count(f"{record} true >/dev/null 2>&1")
        spent, _ = self._count(f"{record} {TOUCH} >/dev/null 2>&1")
        return spent - nothing, len(pebs_perf.samples(self.vm))


def measured(where, guest):
    """Medians over rounds; sampling and not sampling alternate, so that the guest's background is in both."""
    plain, bulk, per_record = [], {period: [] for period in PERIODS}, []
    for number in range(ROUNDS):
        log.step(f"{where}: round {number + 1} of {ROUNDS}")
        plain.append(guest.plain())
        for period in PERIODS:
            bulk[period].append(guest.bulk(period))
    log.step(f"{where}: perf, record by record")
    per_record += [guest.each(4093) for _ in range(ROUNDS)]
    base = statistics.median(spent.all for spent in plain)
    for period, bar in PERIODS.items():
        reading = statistics.median(spent.ranged / seen for spent, seen in bulk[period])
        whole = statistics.median((spent.all - base) / seen for spent, seen in bulk[period])
        share = statistics.median((spent.all - base) / base for spent, _ in bulk[period])
        yield Row(f"{where}: buffer to ring, period {period}", reading, UNIT, bar="<= 60")
        yield Row(f"{where}: all of the kernel for a sample, period {period}", whole, UNIT)
        yield Row(f"{where}: sampling at {period}, share of the guest's instructions", share, "ratio", bar=bar)
        if period == 4093:
            each = statistics.median((spent.all - base) / seen for spent, seen in per_record)
            yield Row(f"{where}: all of the kernel for a sample", whole, UNIT, "perf, record by record", each)
            yield Row(f"{where}: the same, ratio", whole / each, "ratio", "perf, record by record", None, "<= 0.05")
