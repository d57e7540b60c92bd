# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast tiermeter measures: modelled misses per second of the host's CPU, with the meter and its clock.

QEMU's CPU time, all of its threads, between the marks of a program that misses the modelled cache with each access. A scan
touches line after line; a chase goes from line to line in a random order, so that each step also misses the
host's caches and QEMU's software TLB: what it takes then is the host's memory more than the meter. The peer is the same
program on the host itself, right after: more than its memory gives nobody can measure.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import unattended
from tiermem_bench import Row
from tiermem_build import log, paths
from tiermem_vm import Config
from tiermeter import Meter, read_log

sys.path.append(str(paths.TOP / "tests/vm/guest"))
import programs  # noqa: E402

TICK = 1 / os.sysconf("SC_CLK_TCK")
# What the guest runs, at least a second of CPU each.
WORK = {"scan over 64 MiB": "lines scan 0 64 20", "scan over 256 MiB": "lines scan 0 256 5",
        "random over 16 MiB": "lines random 0 16 10000000", "random over 256 MiB": "lines random 0 256 8000000",
        "chain over 16 MiB": "lines chase 0 16 8000000", "chain over 256 MiB": "lines chase 0 256 5000000"}
BAR = ">= 5"
POLL = 0.01  # seconds
TIMEOUT = 1800


class Stopwatch:
    """CPU seconds of a machine's QEMU at each mark in its log."""

    def __init__(self, machine, file):
        self.machine, self.file = machine, Path(file)
        self.at_marks = []
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        seen = 0
        while self.machine.process.poll() is None:
            marks = self.file.read_text().count('"type":"mark"') if self.file.exists() else 0
            self.at_marks += [self._cpu_seconds()] * (marks - seen)
            seen = marks
            time.sleep(POLL)

    def _cpu_seconds(self):
        fields = Path(f"/proc/{self.machine.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK  # utime and stime: proc(5) counts from the first field


def on_the_host(words):
    """Million accesses a second of the same program without a guest, by its own clock."""
    program, _ = programs.build("lines")
    said = subprocess.run([program, *words.split()[1:]], check=True, capture_output=True, text=True).stdout
    nanoseconds, accesses = map(int, re.search(r"ns=(\d+) of=(\d+)", said).groups())
    return accesses * 1000 / nanoseconds


def rows():
    """A row for each way to miss."""
    log.step("a guest on the model's clock, with programs that miss")
    with tempfile.TemporaryDirectory(prefix="tiermem-bench-") as folder:
        meter = Meter(Path(folder) / "log", llc_size="1M", interval_ms=1000)
        config = Config(**meter.settings(kernel="6.12", tiermem=False, append="quiet", add=[programs.build("lines")]))
        watches = []
        unattended.run(config, "\n".join(WORK.values()) + "\n", TIMEOUT, "bench-meter",
                       started=lambda machine: watches.append(Stopwatch(machine, meter.log)))
        readings, seconds = read_log(meter.log).marks, watches[0].at_marks
    for number, (what, words) in enumerate(WORK.items()):
        first, last = 2 * number, 2 * number + 1
        misses = sum((readings[last] - readings[first]).misses())
        yield Row(f"modelled misses per CPU second, {what}", misses / (seconds[last] - seconds[first]) / 1e6, "million",
                  peer="host without QEMU", peer_value=on_the_host(words), bar=BAR)
