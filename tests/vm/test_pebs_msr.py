# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated performance counters, programmed register by register: what they count, and bad input.

pebs-msr in the guest prints one line a case; each must be ok, and QEMU must still be there.
"""

import re
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import pebs_perf  # noqa: E402
from tiermem_vm import Config, Machine, MachineError, accel  # noqa: E402

PROGRAM = Path(__file__).parent / "guest/pebs-msr.c"
# The debug store area is a user page: without SMAP the processor takes it.
CPUS = {"format3": "Skylake-Server,-smap,x-tcg-pebs=3", "format4": "Icelake-Server,model=106,-smap,x-tcg-pebs=4"}
CASES = 55  # at least; so that a program which ends early is noticed


@pytest.mark.parametrize("qemu_args", [[], ["-icount", "shift=0,sleep=off"]], ids=["plain", "icount"])
@pytest.mark.parametrize("cpu", CPUS)
def test_registers_and_bad_input(cpu, qemu_args, tmp_path, monkeypatch):
    monkeypatch.setattr(accel, "choose", lambda *_: "tcg,thread=single")  # as icount needs
    program = pebs_perf.build(PROGRAM, tmp_path)
    config = Config(kernel="6.1", cpu=CPUS[cpu], cpus=1, accel="tcg", tiermem=False, append="msr.allow_writes=on",
                    add=[(program, "/bin/pebs-msr")], qemu_args=qemu_args, **pebs_perf.qemu())
    with Machine(config, name=f"pebs-{cpu}") as vm:
        output = vm.run("modprobe msr; pebs-msr", timeout=300, check=False).output
        assert vm.qmp("query-status")["running"]
    assert re.search(r"^done: format \d, 0 failed$", output, re.M), output
    assert len(re.findall(r"^(ok|skip) ", output, re.M)) >= CASES, output


@pytest.mark.parametrize("options,message", [
    ("Skylake-Server,x-tcg-pebs=2", "x-tcg-pebs=2 is not a known record format"),
    ("EPYC,x-tcg-pebs=3", "x-tcg-pebs needs a CPU model of vendor GenuineIntel"),
])
def test_refused_properties(options, message):
    with pytest.raises(MachineError, match=re.escape(message)):
        Machine(Config(cpu=options, cpus=1, accel="tcg", tiermem=False, **pebs_perf.qemu()), name="pebs-refused").start()
