# SPDX-License-Identifier: GPL-2.0-or-later
"""The device's qtests, which scripts/build-qemu compiles with QEMU and installs beside it."""

import os
import re
import subprocess

from tiermem_build import log, paths, qemu_tree

from .outcome import FAILED, PASSED, SKIPPED, Outcome

QEMU = paths.BUILD / "qemu"
TIMEOUT = 300  # seconds for one program
LINE = re.compile(r"^(not )?ok \d+ (\S+)(?: # SKIP ?(.*))?", re.M)  # TAP, as GLib's g_test writes it


def run(wanted):
    """Outcomes of the programs that are wanted, a row for each of their cases."""
    outcomes = []
    for target in qemu_tree.test_targets():
        if wanted("qtest", target):
            log.step(f"qtest: {target}")
            outcomes += _run_program(target)
    return outcomes


def _run_program(target):
    program = QEMU / target
    logfile = paths.LOGS / f"{program.name}.log"
    if not program.exists():
        return [Outcome(target, FAILED, f"{program} is missing: it is not in QEMU's build")]
    environment = {**os.environ, "QTEST_QEMU_BINARY": str(QEMU / "bin/qemu-system-x86_64"),
                   "QTEST_QEMU_IMG": str(QEMU / "bin/qemu-img")}
    with open(logfile, "wb") as errors:
        try:
            done = subprocess.run([program, "--tap", "-k"], env=environment, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=errors, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return [Outcome(target, FAILED, f"no end after {TIMEOUT} s; log: {logfile}")]
    return _outcomes(target, done, logfile)


def _outcomes(target, done, logfile):
    outcomes = []
    for failed, name, reason in LINE.findall(done.stdout):
        state = FAILED if failed else SKIPPED if reason else PASSED
        outcomes.append(Outcome(f"{target}{name}", state, reason or (f"log: {logfile}" if failed else "")))
    plan = re.search(r"^1\.\.(\d+)", done.stdout, re.M)
    planned = int(plan[1]) if plan else None
    if planned != len(outcomes) or (done.returncode != 0 and not any(o.state == FAILED for o in outcomes)):
        outcomes.append(Outcome(target, FAILED, f"status {done.returncode}, {len(outcomes)} of {planned} cases ran; "
                                                f"log: {logfile}\n{log.tail(logfile)}"))
    return outcomes
