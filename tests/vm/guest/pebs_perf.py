# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock perf in the guest, and its samples of pebs-touch judged against what pebs-touch really did."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiermem_vm import Config, Machine

PERF = Path("/usr/bin/perf")
TOUCH = Path(__file__).with_name("pebs-touch.c")
# What the tests of other kernels and record formats run on: (format, -cpu).
CPUS = {
    "skylake": "Skylake-Server,x-tcg-pebs=3",
    "icelake": "Icelake-Server,model=106,x-tcg-pebs=4",
    "sapphire": "SapphireRapids,x-tcg-pebs=4",
}
# The ordinary run takes each kernel and each record format once; --full takes all pairs.
PAIRS = [pytest.param(kernel, cpu, id=f"{kernel}-{cpu}",
                      marks=[] if (kernel, cpu) in (("6.1", "skylake"), ("6.12", "icelake")) else pytest.mark.full)
         for kernel in ("6.1", "6.12") for cpu in CPUS]
# perf samples less, and stops counters for a while, where its interrupts take long, as they do under emulation.
NO_THROTTLING = """cd /proc/sys/kernel && {
    grep -qx 0 perf_cpu_time_max_percent ||
    { echo 10000000 >perf_event_max_sample_rate && echo 0 >perf_cpu_time_max_percent; }; }"""


def build(source, folder):
    """A static program for the guest."""
    program = Path(folder) / source.stem
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, source], check=True)
    return program


def qemu():
    """Config's settings for a QEMU of one's own, named by the environment's PEBS_QEMU."""
    return {"qemu": Path(os.environ["PEBS_QEMU"])} if "PEBS_QEMU" in os.environ else {}


def machine(kernel, cpu, **settings):
    """A machine, to be started, that has emulated PEBS, perf and pebs-touch."""
    programs = tempfile.TemporaryDirectory()
    touch = build(TOUCH, programs.name)
    config = Config(**{"kernel": kernel, "cpu": CPUS.get(cpu, cpu), "accel": "tcg", "tiermem": False,
                       "add": [*perf_files(), (touch, "/bin/pebs-touch")], **qemu(), **settings})
    vm = Machine(config, name=f"pebs-{cpu}")
    vm.programs = programs  # as long as the machine may start
    return vm


def perf_files():
    """[(host file, path in the guest)] of perf and the libraries that it needs."""
    text = subprocess.run(["ldd", PERF], check=True, text=True, stdout=subprocess.PIPE).stdout
    return [(Path(path), path) for path in [str(PERF), *re.findall(r"(/\S+) \(0x", text)]]


@dataclass(frozen=True)
class Range:
    """Addresses first <= a < end."""
    first: int
    end: int

    def __contains__(self, address):
        return self.first <= address < self.end


@dataclass(frozen=True)
class Touched:
    """What pebs-touch says that it did."""
    hot: Range
    cold: Range
    code: Range
    accesses: int
    hot_accesses: int
    round_ns: list

    @property
    def hot_share(self):
        return self.hot_accesses / self.accesses


def parse_touch(output):
    """The words that pebs-touch has printed, among others."""
    assert "hot_accesses=" in output, f"pebs-touch did not finish:\n{output}"

    def area(name):
        found = re.search(rf"^{name}=0x([0-9a-f]+)-0x([0-9a-f]+)$", output, re.M)
        return Range(int(found[1], 16), int(found[2], 16))

    def number(name):
        return int(re.search(rf"^{name}=(\d+)$", output, re.M)[1])
    return Touched(area("hot"), area("cold"), area("code"), number("accesses"), number("hot_accesses"),
                   [int(ns) for ns in re.findall(r"^round_ns=(\d+)$", output, re.M)])


@dataclass(frozen=True)
class Judged:
    """Samples against the truth; shares are between 0 and 1."""
    samples: int
    data_inside: float
    ip_inside: float
    hot_share: float  # among the data addresses inside
    true_hot_share: float
    expected: float  # records: accesses by period; 0 when the period is not fixed

    def __str__(self):
        completeness = f", {self.samples / self.expected:.2%} of expected" if self.expected else ""
        return (f"{self.samples} samples{completeness}, data inside {self.data_inside:.2%}, ip inside"
                f" {self.ip_inside:.2%}, hot {self.hot_share:.2%} of truth {self.true_hot_share:.2%}")


def of_the_loops(pairs, touched):
    """The samples from the first of the loops to their last. How many come before and after depends on the host: at a
    fixed frequency a slow start of the program has more of them."""
    inside = [i for i, (_, ip) in enumerate(pairs) if ip in touched.code]
    return pairs[inside[0]:inside[-1] + 1] if inside else []


def judge(pairs, touched, period=0):
    """Judges [(data address, instruction address)], in the order of their times."""
    pairs = of_the_loops(pairs, touched)
    hot = sum(address in touched.hot for address, _ in pairs)
    inside = hot + sum(address in touched.cold for address, _ in pairs)
    code = sum(ip in touched.code for _, ip in pairs)
    n = max(len(pairs), 1)
    return Judged(len(pairs), inside / n, code / n, hot / max(inside, 1), touched.hot_share,
                  touched.accesses / period if period else 0)


def samples(machine, data="/tmp/perf.data", timeout=1200):
    """[(data address, instruction address)] of a recording in the guest."""
    text = machine.run(f"perf script -i {data} -F addr,ip 2>/tmp/script.err || cat /tmp/script.err >&2",
                       timeout=timeout).output
    return [(int(addr, 16), int(ip, 16)) for addr, ip in re.findall(r"^ *([0-9a-f]+) +([0-9a-f]+) *$", text, re.M)]


def record(machine, options, touch, timeout=1200):
    """Runs `perf OPTIONS pebs-touch TOUCH`; returns what perf and pebs-touch printed."""
    return machine.run(f"cd /tmp && perf {options} -o /tmp/perf.data -- /bin/pebs-touch {touch} 2>&1",
                       timeout=timeout).output
