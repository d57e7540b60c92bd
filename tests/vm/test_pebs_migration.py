# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that samples is moved to another QEMU, and saved and loaded: no record is lost, none is wrong."""

import re
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import pebs_perf  # noqa: E402
from tiermem_vm import MachineError  # noqa: E402

PERIOD = 509
TASKS = {"load": 40_000_000, "store": 40_000_000, "lock": 30_000_000}
EVENTS = {"load": "r81d0", "store": "r82d0", "lock": "r21d0"}
SIZE = {"fast": 640 << 20, "slow": 64 << 20}  # three times 64 MiB and all that perf needs


def start_sampling(vm):
    """One perf with its own event for each task, all in the background; they write to files."""
    vm.run(pebs_perf.NO_THROTTLING)
    for kind, accesses in TASKS.items():
        vm.run(f"cd /tmp && (perf record -d -c {PERIOD} -e {EVENTS[kind]}:upp -o {kind}.data -- /bin/pebs-touch {kind}"
               f" {accesses} >{kind}.out 2>&1; touch {kind}.done) >/dev/null 2>&1 </dev/null &")
    time.sleep(3)


def finished(vm):
    return len(vm.run("ls /tmp/*.done 2>/dev/null", check=False).output.split())


def finish_sampling(vm, timeout=200):
    """{kind: verdict}, when all are done, which at first they must not be."""
    assert finished(vm) == 0, "tasks ended before the move"
    deadline = time.monotonic() + timeout
    while finished(vm) < len(TASKS):
        assert time.monotonic() < deadline, vm.run("ps; cat /tmp/*.out").output
        time.sleep(1)
    return {kind: judge(vm, kind) for kind in TASKS}


def judge(vm, kind):
    touched = pebs_perf.parse_touch(vm.run(f"cat /tmp/{kind}.out").output)
    return pebs_perf.judge(pebs_perf.samples(vm, f"/tmp/{kind}.data"), touched, PERIOD)


def check(verdicts):
    for kind, verdict in verdicts.items():
        print(f"{kind}: {verdict}")
    for verdict in verdicts.values():
        assert 0.99 <= verdict.samples / verdict.expected <= 1.01
        assert verdict.data_inside >= 0.99 and verdict.ip_inside >= 0.99
        assert abs(verdict.hot_share - verdict.true_hot_share) <= 0.01


@pytest.mark.parametrize("cpu", ["skylake", "icelake"])
def test_migration_while_sampling(cpu):
    settings = {"cpus": 4, **SIZE}
    with pebs_perf.machine("6.1", cpu, **settings) as here, \
            pebs_perf.machine("6.1", cpu, incoming=True, **settings) as there:
        here.qmp("migrate-set-parameters", max_bandwidth=0, downtime_limit=60_000)  # soon, however much is written
        start_sampling(here)
        here.migrate_to(there)
        here.stop()
        check(finish_sampling(there))


def test_snapshot_while_sampling():
    with pebs_perf.machine("6.1", "icelake", cpus=4, snapshots=True, **SIZE) as vm:
        start_sampling(vm)
        vm.qmp("stop")
        assert not vm.hmp("savevm sampling")
        vm.qmp("system_reset")  # forgets all registers
        assert not vm.hmp("loadvm sampling")
        vm.qmp("cont")
        check(finish_sampling(vm))


def test_migration_needs_the_same_format():
    with pebs_perf.machine("6.1", "Skylake-Server,x-tcg-pebs=3", **SIZE) as here, \
            pebs_perf.machine("6.1", "Skylake-Server,x-tcg-pebs=4", incoming=True, **SIZE) as there:
        with pytest.raises(MachineError, match="migration failed|QEMU ended"):
            here.migrate_to(there)
        time.sleep(1)
        assert re.search("x-tcg-pebs must be the same", there.place.errors.read_text())
