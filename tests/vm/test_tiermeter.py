# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin tiermeter counts what a guest executes: a known loop to within what a process costs, idling as nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import programs  # noqa: E402
from tiermem_vm import Config  # noqa: E402
from tiermeter import Tiermeter  # noqa: E402

TURNS = 50_000_000
LOOP = 2 * TURNS
PROCESS = 3_000_000  # user instructions that a shell and a static program may take to start and end
IDLE_SHARE = 0.05  # of the loop's instructions, in as long as the loop took


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
    ("", "counts=PATH is missing"),
    (",counts=/nowhere/at/all", "counts=/nowhere/at/all: No such file or directory"),
    (",counts={tmp}/c,period-ms=0", "period-ms=0: a whole number from 1 to 60000 is allowed"),
    (",counts={tmp}/c,period-ms=5s", "period-ms=5s: a whole number"),
    (",counts={tmp}/c,range=10-10", "range=10-10: FIRST-END is allowed"),
    (",counts={tmp}/c,range=x", "range=x: FIRST-END is allowed"),
    (",counts={tmp}/c,speed=9", "unknown option 'speed'; counts, period-ms and range are allowed"),
])
def test_bad_options_are_refused_by_name(plugin, tmp_path, options, words):
    assert words in refusal(["-plugin", plugin + options.format(tmp=tmp_path)])


def test_hotplug_is_refused(plugin, tmp_path):
    assert "maxcpus" in refusal(["-plugin", f"{plugin},counts={tmp_path}/c", "-smp", "1,maxcpus=2"])


def refusal(arguments):
    """What QEMU says before it ends without having started a machine."""
    done = subprocess.run([Config().qemu, "-nodefaults", "-display", "none", "-S", "-accel", "tcg", *arguments],
                          text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr
