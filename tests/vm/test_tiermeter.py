# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin tiermeter counts what a guest executes and which memory serves it, and makes time of both."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import pebs_perf  # noqa: E402
import programs  # noqa: E402
import unattended  # noqa: E402
from tiermem_vm import Config  # noqa: E402
from tiermeter import Meter, Tiermeter, read_log  # noqa: E402

TURNS = 50_000_000
LOOP = 2 * TURNS
PROCESS = 3_000_000  # user instructions that a shell and a static program may take to start and end
IDLE_SHARE = 0.05  # of the loop's instructions, in as long as the loop took
MIB = 1 << 20
PATIENCE = 900  # seconds that a guest on the model's clock may take
FAST, SLOW = 0, 1
LATENCY = (80, 200)
# Every line of a buffer of 4 MiB misses a cache of 1 MiB, in each round.
LLC, BUFFER, ROUNDS = "1M", 4, 3
LINES = BUFFER * MIB // 64 * ROUNDS
STEPS, TURNS_OF_64 = 300_032, 20_000
SCRIPT = f"""
lines scan {FAST} {BUFFER} {ROUNDS}
lines scan {SLOW} {BUFFER} {ROUNDS}
lines chase {FAST} {BUFFER} {STEPS}
lines chase {SLOW} {BUFFER} {STEPS}
lines loop {TURNS_OF_64}
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Where the built plugin is."""
    meter = Tiermeter(tmp_path_factory.mktemp("counts") / "counts")
    return meter.arguments()[1].partition(",")[0]


def test_counts_a_known_loop_and_no_idling(boot, tmp_path):
    meter = Tiermeter(tmp_path / "counts")
    machine = boot(kernel="6.12", tiermem=False, accel="tcg", add=[programs.build("loop")],
                   qemu_args=meter.arguments())
    machine.run("loop 1")
    before, start = meter.now(), time.monotonic()
    machine.run(f"loop {TURNS}")
    looped, wall = meter.now() - before, time.monotonic() - start
    assert LOOP <= looped.user <= LOOP + PROCESS
    before = meter.now()
    time.sleep(wall)
    assert (meter.now() - before).all < IDLE_SHARE * LOOP


@pytest.mark.parametrize("options,words", [
    ("", "log=PATH or counts=PATH is missing"),
    (",counts=/nowhere/at/all", "counts=/nowhere/at/all: No such file or directory"),
    (",log=/nowhere/at/all", "log=/nowhere/at/all: No such file or directory"),
    (",counts={tmp}/c,period-ms=5s", "period-ms=5s: a whole number from 1 to 60000 is allowed"),
    (",counts={tmp}/c,range=x", "range=x: FIRST-END is allowed"),
    (",log={tmp}/l,llc-size=5M", "llc-size=5242880: with 16 ways of 64 bytes"),
    (",log={tmp}/l,clock=on", "clock=on needs a machine whose time is made of instructions"),
    (",counts={tmp}/c,speed=9", "unknown option 'speed'; allowed are: log, "),
])
def test_bad_options_are_refused_by_name(plugin, tmp_path, options, words):
    assert words in refusal(["-plugin", plugin + options.format(tmp=tmp_path)])


@dataclass(frozen=True)
class Run:
    """What the programs of SCRIPT said and did, each between its marks."""
    console: str
    log: object
    said: list  # (nanoseconds, accesses or instructions) of each program
    did: list  # Readings


def run_script(folder):
    """SCRIPT on the model's clock, in a machine with the device and its driver."""
    meter = Meter(folder / "log", latency=LATENCY, llc_size=LLC, interval_ms=50)
    config = Config(**meter.settings(kernel="6.12", fast=128 * MIB, slow=128 * MIB, append="quiet",
                                     add=[programs.build("lines")]))
    console = unattended.run(config, SCRIPT, PATIENCE, "tiermeter")
    said = [tuple(map(int, words)) for words in re.findall(r"^ns=(\d+) of=(\d+)", console, re.M)]
    log = read_log(meter.log)
    return Run(console, log, said, [last - first for first, last in zip(log.marks[::2], log.marks[1::2])])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run_script(tmp_path_factory.mktemp("meter"))


def test_learns_the_tiers_from_the_machine(measured):
    assert measured.log.start["clock"] and measured.log.start["tlb_entries"] == 2048
    tiers = measured.log.start["tiers"]
    assert [(tier["tier"], tier["node"], tier["latency_ns"]) for tier in tiers] == [(0, 0, 80), (1, 1, 200)]
    for tier in tiers:  # but for what lies under the hole for legacy devices
        assert 127 * MIB < sum(piece["size"] for piece in tier["ranges"]) <= 128 * MIB


def test_known_lines_are_counted_exactly(measured):
    assert len(measured.said) == len(measured.did) == 5, measured.console[-2000:]
    for tier, did in ((FAST, measured.did[0]), (SLOW, measured.did[1])):
        expected = [LINES if tier == which else 0 for which in (FAST, SLOW)]
        assert did.misses("user") == expected
        assert did.fast_share("user") == (1.0 if tier == FAST else 0.0)
        assert did.counts["user"]["stall_ns"] == LINES * LATENCY[tier]


def test_a_pointer_chase_takes_the_latency(measured):
    for tier, said, did in ((FAST, measured.said[2], measured.did[2]), (SLOW, measured.said[3], measured.did[3])):
        assert did.misses("user")[tier] == STEPS
        # The interrupts' time is no part of the latency.
        kernel = did.instructions("kernel") + did.counts["kernel"]["stall_ns"]
        assert (said[0] - kernel) / said[1] == pytest.approx(LATENCY[tier], rel=0.02)


def test_a_cached_loop_takes_its_instructions(measured):
    did, said = measured.did[4], measured.said[4]
    kernel = did.instructions("kernel") + did.counts["kernel"]["stall_ns"]
    assert did.misses("user") == [0, 0]
    assert (said[0] - kernel) / said[1] == pytest.approx(1, rel=0.02)  # shift=0: a nanosecond each


def test_time_is_instructions_and_latencies(measured):
    for did in measured.did:
        stalls = sum(counts["stall_ns"] for counts in did.counts.values())
        assert did.time_ns == pytest.approx(did.instructions() + stalls, rel=0.01)


def test_the_series_grows_up_to_the_total(measured):
    readings = [*measured.log.samples, measured.log.total]
    assert len(readings) > 20
    for before, after in zip(readings, readings[1:]):
        difference = after - before
        assert difference.time_ns >= 0 and min(difference.misses()) >= 0 and difference.instructions() >= 0


@pytest.mark.full
def test_two_runs_are_the_same(measured, tmp_path):
    again = run_script(tmp_path)
    assert again.console == measured.console
    assert again.log == measured.log


@pytest.mark.full
def test_a_hypervisor_brings_what_is_used_to_fast_memory(tmp_path):
    meter = Meter(tmp_path / "log", latency=LATENCY, llc_size=LLC, interval_ms=20, hv_fast="48M", hv_scan_ms=10,
                  hv_bandwidth="4G", hv_batch=16384)
    config = Config(**meter.settings(kernel="6.12", tiermem=False, fast=128 * MIB, slow=128 * MIB, append="numa=off",
                                     add=[programs.build("lines")]))
    unattended.run(config, "lines scan 0 16 12\n", PATIENCE, "hypervisor")
    log = read_log(meter.log)
    did, end = log.between(1, 2), log.marks[-1]
    last = next(sample for sample in reversed(log.samples) if sample.time_ns < end.time_ns - 20_000_000)
    assert sum(did.misses("user")) == 16 * MIB // 64 * 12
    assert did.fast_share("user") < 0.95 < (end - last).fast_share("user")
    done = log.total.extra["hypervisor"]
    assert done["moved"] > 16 * MIB // 4096
    assert done["copy_ns"] == done["moved"] * 64 * sum(LATENCY)
    assert done["tracking_ns"] == done["walks"] * 24 * 5 + done["scans"] * 2000
    charged = did.extra["hypervisor"]["tracking_ns"] + did.extra["hypervisor"]["copy_ns"]
    stalls = sum(counts["stall_ns"] for counts in did.counts.values())
    assert did.time_ns == pytest.approx(did.instructions() + stalls + charged, rel=0.01)


def test_pebs_and_meter_agree(boot, tmp_path):
    meter = Meter(tmp_path / "log", clock=False, latency=LATENCY, llc_size=LLC)
    machine = boot(**meter.settings(kernel="6.12", tiermem=False, cpus=1, cpu=pebs_perf.CPUS["icelake"],
                                    add=[*pebs_perf.perf_files(), programs.build("lines")]))
    events = ["r20d1:u", f"cpu/event=0xcd,umask=0x1,ldlat={LATENCY[SLOW] - 1}/u"]  # missed L3; took longer
    output = machine.run(f"perf stat -x, -e {' -e '.join(events)} lines scan {SLOW} {BUFFER} 20 2>&1").output
    missed = sum(read_log(meter.log).between(1, 2).misses("user"))
    assert missed == BUFFER * MIB // 64 * 20
    counted = [int(number) for number in re.findall(r"^(\d+),", output, re.M)]
    assert counted == [pytest.approx(missed, rel=0.01)] * len(events), output


def test_a_clock_for_several_vcpus_is_refused(plugin, tmp_path):
    words = refusal(["-icount", "shift=0,sleep=off", "-smp", "2", "-plugin", f"{plugin},log={tmp_path}/l,clock=on"])
    assert "clock=on needs a machine with one vCPU" in words


def test_hotplug_is_refused(plugin, tmp_path):
    assert "maxcpus" in refusal(["-plugin", f"{plugin},counts={tmp_path}/c", "-smp", "1,maxcpus=2"])


def refusal(arguments):
    """What QEMU says before it ends without having started a machine."""
    done = subprocess.run([Config().qemu, "-nodefaults", "-display", "none", "-S", "-accel", "tcg", *arguments],
                          text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr
