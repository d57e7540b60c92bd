# SPDX-License-Identifier: GPL-2.0-or-later
"""Deciding who gets how much fast memory: CPU time and memory for 10 to 100,000 machines with 32-point curves.

The pure function of tools/tiermemctl/balance, on one core, by the program balance-scale. A process with a single
machine shows what of the memory is the program's own.
"""

import json
import subprocess

from tiermem_bench import Row
from tiermem_build import log, paths

BUILD = paths.TOP / "build"
PROGRAM = "tools/tiermemctl/balance/balance-scale"
INTERVALS = {10: 400, 100: 200, 1000: 100, 10_000: 30, 100_000: 8}
BARS_AT = 10_000


def build():
    """balance-scale, in the build folder of everything that is ours."""
    if not (BUILD / "build.ninja").exists():
        log.run(["meson", "setup", BUILD, paths.TOP], paths.LOGS / "meson-setup.log", "meson setup", cwd=paths.TOP)
    log.run(["ninja", "-C", BUILD, PROGRAM], paths.LOGS / "bench-compile.log", "building balance-scale")


def measure(machines, intervals):
    """What balance-scale says of so many machines."""
    done = subprocess.run([BUILD / PROGRAM, str(machines), str(intervals)], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def rows():
    """All rows."""
    build()
    per_machine = {}
    for machines, intervals in INTERVALS.items():
        log.step(f"{machines:,} machines")
        found = measure(machines, intervals)
        per_machine[machines] = found["median_ns"] / machines
        bars = machines == BARS_AT
        yield Row(f"{machines:,} machines: CPU time of a decision, median", round(found["median_ns"] / 1e6, 4), "ms", None,
                  None, "<= 50" if bars else None)
        yield Row(f"{machines:,} machines: CPU time of a decision, greatest", round(found["greatest_ns"] / 1e6, 4), "ms")
        yield Row(f"{machines:,} machines: resident memory at most", round(found["resident_kib"] / 1024, 2), "MiB", None,
                  None, "<= 100" if bars else None)
    yield Row("time per machine: 100,000 over 1,000 machines", round(per_machine[100_000] / per_machine[1000], 3), "ratio")
    yield Row("one machine: resident memory at most", round(measure(1, 10)["resident_kib"] / 1024, 2), "MiB")


if __name__ == "__main__":
    from tiermem_bench import report
    print("\n".join(report.table(list(rows()))))
