# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites that pytest runs: lint and vm."""

import os
import subprocess
import sys

from tiermem_build import log, paths

from .outcome import FAILED, Outcome, from_junit

LIB = paths.TOP / "scripts/lib"
NOTHING_COLLECTED = 5  # pytest's exit status


def run(suite, level, keyword):
    """Outcomes of tests/<suite>; keyword picks tests by a part of file or test name. Shows each as it ends."""
    folder = paths.TOP / "tests" / suite
    if not any(folder.glob("**/test_*.py")):
        return []
    log.step(f"{suite} tests")
    junit = paths.LOGS / f"{suite}.junit.xml"
    junit.unlink(missing_ok=True)
    logfile = paths.LOGS / f"{suite}.log"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tiermem_test.pytest_level",
               *(["-p", "tiermem_vm.fixtures"] if suite == "vm" else []),
               "-o", "junit_family=xunit2", f"--junitxml={junit}", f"--level={level}", folder]
    status = _run_shown([str(word) for word in command + (["-k", keyword] if keyword else [])], logfile)
    outcomes = from_junit(junit) if junit.exists() else []
    if status == NOTHING_COLLECTED and (keyword or level == "quick"):
        return []
    if status != 0 and not any(outcome.state == FAILED for outcome in outcomes):
        outcomes.append(Outcome(f"{suite}/pytest", FAILED, f"pytest ended with status {status}\n{log.tail(logfile)}"))
    return outcomes


def _run_shown(command, logfile):
    """Runs pytest with its output in a file, and its progress (tiermem_test.pytest_level) on our stderr."""
    logfile.parent.mkdir(parents=True, exist_ok=True)
    with open(logfile, "wb") as output:
        progress = os.dup(2)
        search = os.pathsep.join(filter(None, [str(LIB), os.environ.get("PYTHONPATH")]))
        try:
            return subprocess.run(command, cwd=paths.TOP, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, pass_fds=[progress],
                                  env={**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1",
                                       "TIERMEM_PROGRESS_FD": str(progress)}).returncode
        finally:
            os.close(progress)
