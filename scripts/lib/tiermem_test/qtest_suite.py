# SPDX-License-Identifier: GPL-2.0-or-later
"""The device's qtests, which scripts/build-qemu compiles with QEMU and installs beside it."""

import json
import os
import re
import subprocess
from pathlib import Path

from tiermem_build import log, paths

from .outcome import FAILED, PASSED, SKIPPED, Outcome

QEMU = paths.BUILD / "qemu"
TIMEOUT = 300  # seconds for one program
LINE = re.compile(r"^(not )?ok \d+ (\S+)(?: # SKIP ?(.*))?", re.M)  # TAP, as GLib's g_test writes it


def run(wanted):
    """Outcomes of our tests that are wanted, a row for each of their cases."""
    outcomes = []
    for source, target in json.loads((QEMU / "tests.json").read_text()).items():
        if wanted("qtest", source):
            log.step(f"qtest: {source}")
            outcomes += _run_program(source, QEMU / target)
    return outcomes


def _run_program(source, program):
    logfile = paths.LOGS / f"{Path(source).stem}.log"
    environment = {**os.environ, "QTEST_QEMU_BINARY": str(QEMU / "bin/qemu-system-x86_64"),
                   "QTEST_QEMU_IMG": str(QEMU / "bin/qemu-img")}
    with open(logfile, "wb") as errors:
        try:
            cases = _cases(source, program, environment)
            if cases == []:
                return [Outcome(source, FAILED, f"{program} has no case of this test")]
            done = subprocess.run([program, "--tap", "-k", *[word for case in cases or [] for word in ("-p", case)]],
                                  env=environment, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=errors, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return [Outcome(source, FAILED, f"no end after {TIMEOUT} s; log: {logfile}")]
    return _outcomes(source, done, logfile)


def _cases(source, program, environment):
    """Paths of the test's cases in QEMU's qos-test, which holds many others; None for a program of its own."""
    if Path(source).stem == program.name:
        return None
    name = Path(source).stem.removesuffix("-test")
    listing = subprocess.run([program, "-l"], env=environment, stdin=subprocess.DEVNULL, text=True, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT).stdout
    return [line for line in listing.splitlines() if line.startswith("/") and name in line]


def _outcomes(source, done, logfile):
    outcomes = []
    for failed, name, reason in LINE.findall(done.stdout):
        state = FAILED if failed else SKIPPED if reason else PASSED
        outcomes.append(Outcome(f"{source}{name}", state, reason or (f"log: {logfile}" if failed else "")))
    plans = re.findall(r"^1\.\.(\d+)", done.stdout, re.M)  # GLib writes one after each path; the last is of all
    planned = int(plans[-1]) if plans else None
    if planned != len(outcomes) or (done.returncode != 0 and not any(o.state == FAILED for o in outcomes)):
        outcomes.append(Outcome(source, FAILED, f"status {done.returncode}, {len(outcomes)} of {planned} cases ran; "
                                                f"log: {logfile}\n{log.tail(logfile)}"))
    return outcomes
