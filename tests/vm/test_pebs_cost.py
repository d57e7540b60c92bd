# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulation costs: nanoseconds an access, printed, never judged; and that code is the same while it is off.

With PEBS_BASE_QEMU set to an unpatched QEMU of the same build, that is measured beside ours. All machines run at
once and take turns, and the best round of each counts, so that a busy host disturbs them alike. What is not sampled
is measured in rounds shorter than the host's time slices, and again in long ones. Those have the cost of emptying the
buffer in each, but also the guest's timer interrupts, each of which empties the software TLB: random accesses take
several times as long, sampled or not, so that sampling is to be compared with long rounds only. The kernel isolates
page tables in all of them: without, QEMU's software TLB grows less and random accesses slow down.
"""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import pebs_perf  # noqa: E402
from tiermem_build import guest_kernel  # noqa: E402
from tiermem_vm import Config  # noqa: E402

TURNS = 8
SHORT = (40_000, 300)  # accesses a round (some milliseconds), rounds
LONG = (4_000_000, 3)
SAMPLED = "perf record -d -c {period} -e r81d0:upp -o /tmp/cost.data -- "
MODEL = "Skylake-Server"


def machines():
    """{name: (settings of the machine)}"""
    found = {"off": {"cpu": f"{MODEL},x-tcg-pebs=3"}, "without": {"cpu": MODEL}}
    if "PEBS_BASE_QEMU" in os.environ:
        found["unpatched"] = {"cpu": MODEL, "qemu": Path(os.environ["PEBS_BASE_QEMU"])}
    return found


def best(vm, prefix, kind, length):
    """Nanoseconds an access."""
    accesses, rounds = length
    output = vm.run(f"{prefix}pebs-touch {kind} {accesses} 700 {rounds} 2>&1", timeout=600).output
    return min(pebs_perf.parse_touch(output).round_ns) / accesses


def cases(name):
    """{what: (words before the program's, length of rounds)} of a machine."""
    found = {name: ("", SHORT), f"{name}, long rounds": ("", LONG)}
    if name == "off":
        found |= {f"period {period}, long rounds": (SAMPLED.format(period=period), LONG) for period in (4093, 509)}
    return found


@pytest.mark.full
def test_cost_of_sampling(capsys):
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(pebs_perf.machine("6.1", cpus=1, append="pti=on", **settings))
                   for name, settings in machines().items()}
        found = {}
        for _ in range(TURNS):
            for name, vm in running.items():
                vm.run(pebs_perf.NO_THROTTLING)
                for what, (prefix, length) in cases(name).items():
                    for kind in ("load", "sequential"):
                        took = best(vm, prefix, kind, length)
                        found[what, kind] = min(took, found.get((what, kind), took))
    with capsys.disabled():
        for (what, kind), took in sorted(found.items(), key=lambda item: item[0][::-1]):
            print(f"\n{kind:10} {what:25} {took:6.2f} ns", end="")
    assert all(took > 0 for took in found.values())


SECONDS = 30  # a boot with all translated code logged
BLOCKS = 5000  # at least, or nothing much was compared
HOST_POINTER = re.compile(r"\$?0x[5-7][0-9a-f]{11}")
REGISTER_HINTS = re.compile(r" +(pref=|dead:).*")  # of the register allocator; in part not initialized


def translated(qemu, log):
    """Lines of the optimized intermediate code of a boot that goes the same way each time."""
    command = [qemu, "-seed", "1", "-nodefaults", "-no-user-config", "-display", "none", "-L", "/usr/share/seabios",
               "-L", "/usr/share/qemu", "-machine", "pc", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
               "-rtc", "base=2026-01-01,clock=vm", "-cpu", MODEL, "-m", "256M", "-kernel",
               guest_kernel.fetch("6.1").vmlinuz, "-append", "nokaslr", "-d", "op_opt", "-D", log]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, timeout=SECONDS, check=True, stderr=subprocess.DEVNULL)
    with open(log, errors="replace") as lines:
        return [REGISTER_HINTS.sub("", HOST_POINTER.sub("POINTER", line)) for line in lines]


@pytest.mark.skipif("PEBS_BASE_QEMU" not in os.environ, reason="PEBS_BASE_QEMU names no unpatched QEMU to compare with")
def test_translated_code_is_the_same_while_off(tmp_path):
    ours = translated(pebs_perf.qemu().get("qemu", Config.qemu), tmp_path / "ours")
    base = translated(os.environ["PEBS_BASE_QEMU"], tmp_path / "base")
    common = min(len(ours), len(base)) - 1  # the last line can be cut
    blocks = sum(line.startswith("OP after") for line in base[:common])
    assert blocks >= BLOCKS
    assert ours[:common] == base[:common]
    print(f"{blocks} translation blocks are the same")
