# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin tiermeter from outside: how to load it, its log (docs/tiermeter.md) and the counts that it publishes
(published_counts.h)."""

import json
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

from tiermem_build import qemu_plugins, qemu_tree

HEADER = struct.Struct("=8sIIQ")  # magic, version, vCPUs, refreshes
INSTRUCTIONS = struct.Struct("=QQQ")  # user, kernel, in the range
MAGIC, VERSION = b"TIERMETR", 2
PATIENCE = 30  # seconds; a refresh comes every few milliseconds
START = "2026-01-01T00:00:00"  # what the guest's clock says: not when it was started
SIDES = ("user", "kernel")
# For repeatable runs: where the kernel lies, and no `rep movsb`, which QEMU counts by bytes.
REPEATABLE_WORDS = "nokaslr clearcpuid=erms,fsrm"


def built():
    """The plugin; builds it when it has to."""
    return qemu_plugins.build(qemu_tree.source()) / "tiermeter.so"


@dataclass(frozen=True)
class Instructions:
    """What the vCPUs have executed, or executed between two looks."""
    user: int
    kernel: int
    ranged: int = 0  # of both, those in the range that was asked for

    @property
    def all(self):
        return self.user + self.kernel

    def __sub__(self, other):
        return Instructions(self.user - other.user, self.kernel - other.kernel, self.ranged - other.ranged)


class Tiermeter:
    """The counts of one QEMU; `file` is where they are published. `code` is a range of guest addresses, (first, end),
    that is counted apart, too."""

    def __init__(self, file, code=None):
        self.file = Path(file)
        self.code = code

    def arguments(self):
        """QEMU's arguments that load the plugin; builds it when it has to."""
        code = f",range={self.code[0]:x}-{self.code[1]:x}" if self.code else ""
        return ["-plugin", f"{built()},counts={self.file}{code}"]

    def now(self):
        """Instructions of all vCPUs, not older than this call."""
        refreshes, _ = self._read()
        deadline = time.monotonic() + PATIENCE
        while True:
            seen, instructions = self._read()
            if seen >= refreshes + 2:  # the next refresh may have begun before we asked
                return instructions
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.file}: no refresh within {PATIENCE} s; has QEMU ended?")
            time.sleep(0.002)

    def _read(self):
        data = self.file.read_bytes()
        magic, version, vcpus, refreshes = HEADER.unpack_from(data)
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{self.file}: not what tiermeter version {VERSION} publishes")
        counts = list(INSTRUCTIONS.iter_unpack(data[HEADER.size:HEADER.size + vcpus * INSTRUCTIONS.size]))
        return refreshes, Instructions(*(sum(column) for column in zip(*counts)))


class Meter:
    """tiermeter with a log: `options` are its own, with _ for - in names, True and False for on and off, and tuples for
    values by tier. With the clock an instruction takes 2^shift ns."""

    def __init__(self, log, clock=True, shift=0, seed=1, **options):
        self.log = Path(log)
        self.clock, self.shift, self.seed = clock, shift, seed
        self.options = {"log": log, "clock": clock, **options}

    def settings(self, qemu_args=(), append="", **settings):
        """Settings for a Config, with those that the caller wants besides."""
        words = ",".join(f"{name.replace('_', '-')}={_value(value)}" for name, value in self.options.items())
        # A queue that is notified by an eventfd is served by another thread, sooner or later.
        clocked = ["-icount", f"shift={self.shift},sleep=off", "-rtc", f"base={START},clock=vm", "-seed", str(self.seed),
                   "-global", "virtio-pci.ioeventfd=off"]
        return {"accel": "tcg", **({"cpus": 1} if self.clock else {}),
                "append": f"{REPEATABLE_WORDS if self.clock else ''} {append}".strip(), **settings,
                "qemu_args": ["-plugin", f"{built()},{words}", *(clocked if self.clock else []), *qemu_args]}


def _value(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return ":".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


@dataclass(frozen=True)
class Reading:
    """A line of the log with counts, or the difference between two; of all vCPUs together."""
    time_ns: int
    counts: dict  # by side: {"instructions", "accesses", "stall_ns": numbers, "misses": a list by tier}
    extra: dict = field(default_factory=dict)  # what else a line says: the number of a mark, "hypervisor"

    @classmethod
    def of(cls, line):
        counts = {side: _sum([vcpu[side] for vcpu in line["vcpus"]]) for side in SIDES}
        return cls(line["time_ns"], counts, {name: value for name, value in line.items()
                                             if name not in ("type", "time_ns", "vcpus")})

    def misses(self, side=None):
        """By tier; of one side or of both."""
        return _sum([self.counts[name] for name in ([side] if side else SIDES)])["misses"]

    def instructions(self, side=None):
        return sum(self.counts[name]["instructions"] for name in ([side] if side else SIDES))

    def fast_share(self, side=None):
        """The part of the misses that tier 0 served; None without misses."""
        misses = self.misses(side)
        return misses[0] / sum(misses) if sum(misses) else None

    def __sub__(self, other):
        negated = {side: _map(lambda number: -number, counts) for side, counts in other.counts.items()}
        return Reading(self.time_ns - other.time_ns,
                       {side: _sum([self.counts[side], negated[side]]) for side in SIDES}, self._hypervisor_since(other))

    def _hypervisor_since(self, other):
        if "hypervisor" not in self.extra:
            return {}
        before = other.extra.get("hypervisor", {})
        return {"hypervisor": {name: value - before.get(name, 0) for name, value in self.extra["hypervisor"].items()}}


def _map(change, counts):
    return {name: [change(number) for number in value] if isinstance(value, list) else change(value)
            for name, value in counts.items()}


def _sum(all_counts):
    return {name: [sum(numbers) for numbers in zip(*(counts[name] for counts in all_counts))]
            if isinstance(value, list) else sum(counts[name] for counts in all_counts)
            for name, value in all_counts[0].items()}


@dataclass(frozen=True)
class Log:
    """What a run has left. `total` is None when QEMU was killed."""
    start: dict
    samples: list
    marks: list
    total: Reading | None

    def between(self, first, last):
        """What happened between two marks, each the last one of its number."""
        at = {reading.extra["mark"]: reading for reading in self.marks}
        return at[last] - at[first]


def read_log(file):
    """Parses a log; the last line may be cut off."""
    lines = Path(file).read_text().split("\n")[:-1]  # what follows the last newline is no whole line
    by_type = {}
    for line in map(json.loads, lines):
        by_type.setdefault(line["type"], []).append(line)
    readings = {name: [Reading.of(line) for line in by_type.get(name, [])] for name in ("sample", "mark", "total")}
    return Log(by_type["start"][0], readings["sample"], readings["mark"], next(iter(readings["total"]), None))
