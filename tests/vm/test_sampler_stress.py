# SPDX-License-Identifier: GPL-2.0-or-later
"""The sampler where processes come and go all the time: moved to another QEMU, suspended, beside the NMI watchdog.

The guest's `churn` processes read in areas whose address says the process, so each of their samples can be judged.
"""

import base64
import time

import pebs_perf
import programs
import pytest
import samples
import tiers

PERIOD = 61
TASKS = 4
MIB = 1 << 20
# Records taken at a time: more than the rings hold, so that the second slice has none of before the first.
READS = 600
RECORDS_PER_READ = 64
RUNS = [pytest.param("icelake", 30, id="30s"),
        *(pytest.param(cpu, 600, id=f"10min-{cpu}", marks=pytest.mark.full) for cpu in ("icelake", "skylake"))]


def settings(**more):
    # The budget is for production; here the period stays short.
    return {"kernel": "6.12", "accel": "tcg", "cpu": pebs_perf.CPUS["icelake"], "cpus": 4, "fast": 320 * MIB,
            "slow": 64 * MIB, "tiermem_options": "cpu-budget=1000", "add": [programs.build("churn")],
            **pebs_perf.qemu(), **more}


def start(vm):
    """Sampling, and processes that come and go. Returns where their areas are."""
    tiers.wait_probed(vm)
    tiers.tiering(vm, False)
    samples.set_up(vm, event="loads", period=PERIOD, enabled=1)
    assert samples.counters(vm)["source"] == "pebs"
    for i in range(TASKS):
        tiers.start(vm, "churn", f"/tmp/churn{i}")
    return {name: int(number) for name, number in
            (line.split("=") for line in vm.run("churn layout").output.split())}


def check_tasks(vm):
    for i in range(TASKS):
        assert tiers.finished(vm, f"/tmp/churn{i}") is None


def found(vm):
    """Records that were found so far, whether or not anyone has read them."""
    counted = samples.counters(vm)
    return int(counted["records"]) + int(counted["lost_ring"])


def forks(vm):
    return int(vm.run("awk '$1 == \"processes\" { print $2 }' /proc/stat").output)


def take(vm):
    """What the stream delivers next; the sampler goes on without it."""
    size = RECORDS_PER_READ * samples.RECORD.size
    text = vm.run(f"dd if={samples.STREAM} of=/tmp/slice bs={size} count={READS} 2>/dev/null && base64 /tmp/slice",
                  timeout=tiers.PATIENCE).output
    return [samples.Sample(*fields) for fields in samples.RECORD.iter_unpack(base64.b64decode(text))]


class Tally:
    """Samples in churn's areas."""

    def __init__(self, layout):
        self.layout = layout
        self.checkable = 0
        self.processes = set()
        self.wrong = []

    def add(self, some):
        last = self.layout["first"] + (1 << 22) * self.layout["spacing"]
        own = [s for s in some if self.layout["first"] <= s.addr < last]
        self.checkable += len(own)
        self.processes |= {s.tgid for s in own}
        self.wrong += [s for s in own if self.owner(s.addr) != s.tgid]

    def owner(self, addr):
        process, offset = divmod(addr - self.layout["first"], self.layout["spacing"])
        return process if offset < self.layout["bytes"] else None

    def check(self, what):
        print(f"{what}: {self.checkable} samples of {len(self.processes)} processes, {len(self.wrong)} wrong")
        assert self.wrong == []
        assert self.checkable > 10_000 and len(self.processes) > 2 * TASKS


def goes_on(vm, layout, seconds, what):
    """Samples are found on every CPU for that long, and each that can be judged is right."""
    tally, cpus = Tally(layout), set()
    found_before, forks_before = found(vm), forks(vm)
    tally.add(take(vm))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(cpus) < vm.config.cpus:
        assert time.monotonic() < deadline + tiers.PATIENCE, f"samples on CPUs {cpus} only"
        some = take(vm)
        tally.add(some)
        cpus |= {s.cpu for s in some}
        samples.set_up(vm, period=PERIOD)  # should the budget have lengthened it
        time.sleep(1)
    check_tasks(vm)
    print(f"{what}: {found(vm) - found_before} records found, {forks(vm) - forks_before} forks,"
          f" {samples.counters(vm)}")
    tally.check(what)
    assert found(vm) - found_before > tally.checkable


@pytest.mark.parametrize("cpu,seconds", RUNS)
def test_processes_come_and_go_and_the_guest_moves(boot, cpu, seconds):
    here = boot(**settings(cpu=pebs_perf.CPUS[cpu]))
    there = boot(**settings(cpu=pebs_perf.CPUS[cpu], incoming=True))
    layout = start(here)
    goes_on(here, layout, seconds / 2, "before the move")
    here.qmp("migrate-set-parameters", max_bandwidth=0, downtime_limit=60_000)  # soon, however much is written
    here.migrate_to(there)
    here.stop()
    goes_on(there, layout, seconds / 2, "after the move")
    counted = samples.counters(there)
    assert (counted["enabled"], counted["source"], counted["reasons"]) == ("1", "pebs", "")


@tiers.newest_kernel_unless_full
def test_suspend_while_sampling(boot, kernel):
    """To RAM (S3), several times. The counters of all CPUs, also of the one that was never offline, go on."""
    vm = boot(**settings(cpus=2, kernel=kernel))
    layout = start(vm)
    if "deep" not in vm.run("cat /sys/power/mem_sleep", check=False).output:
        pytest.skip("this guest's kernel cannot suspend to RAM")
    goes_on(vm, layout, 3, "before")
    for turn in (1, 2):
        vm.events()
        # Later, so that the agent has answered before it is frozen.
        tiers.start(vm, "sleep 2; echo mem >/sys/power/state", f"/tmp/suspend{turn}")
        vm.wait_event("SUSPEND", timeout=tiers.PATIENCE)
        vm.qmp("system_wakeup")
        assert tiers.until(lambda: tiers.finished(vm, f"/tmp/suspend{turn}"), lambda: vm.console[-2000:]) == (0, "")
        counted = samples.counters(vm)
        assert (counted["enabled"], counted["source"], counted["reasons"]) == ("1", "pebs", "")
        goes_on(vm, layout, 3, f"after waking {turn}")
        # A CPU that has lost the settings of its records delivers some without address.
        assert int(samples.counters(vm)["foreign"]) == int(counted["foreign"])


def test_nmi_watchdog_while_sampling(boot):
    """perf's watchdog takes a counter of every CPU. The emulated PMU marks the cycles event as unavailable (CPUID
    0AH EBX), so that the kernel may refuse it: then the refusal must break nothing."""
    vm = boot(**settings(cpus=2))
    layout = start(vm)
    for wanted in ("1", "0", "1"):
        asked = vm.run(f"echo {wanted} >/proc/sys/kernel/nmi_watchdog", check=False)
        state = vm.run("cat /proc/sys/kernel/nmi_watchdog").output.strip()
        print(f"nmi_watchdog {wanted}: status {asked.status}, now {state} {asked.output}")
        assert asked.status != 0 or state == wanted
        goes_on(vm, layout, 3, f"nmi_watchdog={state}")
    print(vm.run("dmesg | grep -i watchdog", check=False).output)
