# SPDX-License-Identifier: GPL-2.0-or-later
"""PEBS emulated by TCG, seen by stock perf in unmodified kernels: the outside check.

pebs-touch makes a known number of accesses to two buffers, a known share of them to the hot one. perf's
samples must be those: addresses, instructions, number, and the hot buffer's share.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import pebs_perf  # noqa: E402
from tiermem_vm import Config, Machine  # noqa: E402

PERIOD = 509  # so many samples that chance moves the hot share by 0.2 points only
ACCESSES = 20_000_000
LOADS, STORES, LOCKED = "r81d0", "r82d0", "r21d0"

pytestmark = pytest.mark.skipif(not pebs_perf.PERF.exists(), reason=f"{pebs_perf.PERF} is not installed (linux-perf)")


def machine(kernel, cpu, **settings):
    """A machine with emulated PEBS, perf and pebs-touch."""
    with tempfile.TemporaryDirectory() as folder:
        touch = pebs_perf.build(pebs_perf.TOUCH, folder)
        config = Config(kernel=kernel, cpu=pebs_perf.CPUS[cpu], accel="tcg", tiermem=False, **({"qemu": Path(os.environ["PEBS_QEMU"])} if "PEBS_QEMU" in os.environ else {}),
                        add=[*pebs_perf.perf_files(), (touch, "/bin/pebs-touch")], **settings)
        return Machine(config, name=f"pebs-{cpu}").start()


@pytest.fixture(scope="module", params=[(kernel, cpu) for kernel in ("6.1", "6.12") for cpu in pebs_perf.CPUS],
                ids=lambda pair: "-".join(pair))
def guest(request):
    vm = machine(*request.param, cpus=2)
    yield vm
    vm.stop()


@pytest.fixture(autouse=True)
def no_throttling(guest):
    """perf would sample less on a machine so slow that its interrupts take long."""
    guest.run("echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent")


def judged(vm, options, touch, period=PERIOD):
    output = pebs_perf.record(vm, options, touch)
    touched = pebs_perf.parse_touch(output)
    verdict = pebs_perf.judge(pebs_perf.samples(vm), touched, period)
    print(f"{options}: {verdict}")
    assert verdict.samples > 500, output
    assert verdict.data_inside >= 0.99
    assert verdict.ip_inside >= 0.99
    assert abs(verdict.hot_share - verdict.true_hot_share) <= 0.01
    return verdict


@pytest.mark.parametrize("event,kind", [(LOADS, "load"), (STORES, "store"), (LOADS, "lock"), (STORES, "lock"),
                                        (LOCKED, "lock")])
def test_record(guest, event, kind):
    verdict = judged(guest, f"record -d -c {PERIOD} -e {event}:upp", f"{kind} {ACCESSES}")
    assert 0.99 <= verdict.samples / verdict.expected <= 1.01


@pytest.mark.parametrize("kind", ["load", "store"])
def test_mem_record(guest, kind):
    judged(guest, f"mem record --all-user -t {kind}", f"{kind} {ACCESSES}", period=0)


def test_kernel_is_content(guest):
    log = guest.run("dmesg").output
    assert "PEBS fmt" in log
    for complaint in ("unchecked MSR", "WARNING:", "BUG:", "Uhhuh", "Dazed"):
        assert complaint not in log.replace("RETBleed: WARNING:", ""), log
