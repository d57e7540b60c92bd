# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites that pytest runs: lint and vm."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from tiermem_build import log, paths

from .outcome import FAILED, Outcome, from_junit

LIB = paths.TOP / "scripts/lib"
NOTHING_COLLECTED = 5  # pytest's exit status
# Of VM tests at once. A machine keeps about one CPU busy; what one test has running takes up to MEMORY bytes.
MOST_AT_ONCE, MEMORY = 4, 6 << 30


def at_once():
    """How many VM tests this host can run at a time."""
    if importlib.util.find_spec("xdist") is None:
        return 1
    available = int(re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())[1]) * 1024
    return max(1, min(os.cpu_count(), MOST_AT_ONCE, available // MEMORY))


def _vm_options():
    """The machines' fixtures; and several files of tests at once, since machines of tests of one file are shared."""
    parallel = ["-p", "xdist", "-n", at_once(), "--dist", "loadfile"] if at_once() > 1 else []
    return ["-p", "tiermem_vm.fixtures", *parallel]


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
               *(_vm_options() if suite == "vm" else []),
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
