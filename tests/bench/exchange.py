# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to exchange pages between nodes, beside move_pages(2) there and back, in the same guest.

Guest kernel instructions per pair: the difference between runs of many and of few rounds, so that starting the program
and filling its memory do not count; of each the least of several runs, for a busy host lets more timer ticks fall into
a run. The calls of the test module (about 100 instructions per pair) are part of our figure. Both ways copy with string instructions, which count as one each: the figures are
those without the copy. TLB interrupts are counted on a machine whose second CPU runs a thread of the program.
"""

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tiermem_bench import Row
from tiermem_build import log, paths
from tiermem_vm import Config, Machine
from tiermeter import Tiermeter

sys.path.append(str(paths.TOP / "tests/vm/guest"))
import exchange_kit  # noqa: E402

KERNELS = ["6.12", "6.1"]
PAIRS = {"base": 4096, "huge": 32}
ROUNDS = {"exchange": (2, 12), "move": (2, 4)}  # few and many
REPEATS = 3
UNIT = "instructions/pair"
PEER = "move_pages(2) there and back"
BAR = {"base": "<= 0.125", "huge": "<= 0.05"}
IPI_ROUNDS = 4
TIMEOUT = 300


def rows():
    """All rows, kernel by kernel."""
    for kernel in KERNELS:
        yield from instruction_rows(kernel)
        yield from interrupt_rows(kernel)


def instruction_rows(kernel):
    """Instructions per pair, on a machine with one CPU."""
    with tempfile.TemporaryDirectory(prefix="tiermem-bench-") as folder:
        meter = Tiermeter(Path(folder) / "counts")
        with booted(kernel, cpus=1, qemu_args=meter.arguments()) as machine:
            for size, order in (("base", "sequential"), ("base", "shuffled"), ("huge", "sequential")):
                log.step(f"{kernel}: instructions, {size} pages, {order}")
                ours, theirs = (per_pair(machine, meter, way, size, order) for way in ("exchange", "move"))
                what = f"{kernel}: exchange, {size} pages, {order}"
                yield Row(what, ours, UNIT, PEER, theirs)
                yield Row(what, ours / theirs, "ratio", PEER, 1, BAR[size])


def per_pair(machine, meter, way, size, order):
    """Kernel instructions per pair and round."""
    few, many = (min(instructions(machine, meter, f"exchange-cost {way} {size} {order} {PAIRS[size]} {rounds}")
                     for _ in range(REPEATS))
                 for rounds in ROUNDS[way])
    return (many - few) / (ROUNDS[way][1] - ROUNDS[way][0]) / PAIRS[size]


def instructions(machine, meter, command):
    """Kernel instructions of a command, with all that runs beside it."""
    before = meter.now()
    machine.run(command, timeout=TIMEOUT)
    return (meter.now() - before).kernel


def interrupt_rows(kernel):
    """TLB interrupts, on a machine with two CPUs."""
    with booted(kernel, cpus=2) as machine:
        for size, bar in (("base", "<= 10"), ("huge", None)):
            log.step(f"{kernel}: TLB interrupts, {size} pages")
            ours, theirs = (interrupts(machine, way, size) for way in ("exchange", "move"))
            yield Row(f"{kernel}: exchange, TLB interrupts per {PAIRS[size]} pairs of {size} pages", ours, "interrupts",
                      PEER, theirs, bar)


def interrupts(machine, way, size):
    """TLB interrupts of one round."""
    output = machine.run(f"exchange-cost {way} {size} sequential {PAIRS[size]} {IPI_ROUNDS} busy", timeout=TIMEOUT).output
    return exchange_kit.values(output)["ipis"] / IPI_ROUNDS


@contextmanager
def booted(kernel, **more):
    """A machine with the test module loaded."""
    with Machine(Config(**exchange_kit.settings(kernel, **more)), name=f"bench-exchange-{kernel}") as machine:
        machine.run(f"modprobe {exchange_kit.NAME}")
        yield machine
