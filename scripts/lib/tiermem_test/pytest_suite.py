# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites that pytest runs: lint, scripts and vm.

VM tests run several at a time, each with emulated CPUs that the host may stop for seconds, so what they wait for can
come too late. Those that fail so are run once more, alone. One that then passes counts as passed, and the report names
it with its first failure. Where lost content or a kernel's complaint made a test fail there is no second try: chance
must not hide it.
"""

import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from tiermem_build import log, paths

from .outcome import FAILED, PASSED, Outcome, from_junit

LIB = paths.TOP / "scripts/lib"
NOTHING_COLLECTED = 5  # pytest's exit status
# Of VM tests at once. A machine keeps about one CPU busy; what one test has running takes up to MEMORY bytes.
MOST_AT_ONCE, MEMORY = 4, 6 << 30
MOST_AGAIN = 8  # of VM tests that failed; more is no chance
FINAL = re.compile("kernel complained|mismatch|content|wrong|QEMU ended with status")  # in a failure's text


def at_once():
    """How many VM tests this host can run at a time."""
    if importlib.util.find_spec("xdist") is None:
        return 1
    available = int(re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())[1]) * 1024
    return max(1, min(os.cpu_count(), MOST_AT_ONCE, available // MEMORY))


def _vm_options(processes):
    """The machines' fixtures; and several files of tests at once, since machines of tests of one file are shared."""
    parallel = ["-p", "xdist", "-n", processes, "--dist", "loadfile"] if processes > 1 else []
    return ["-p", "tiermem_vm.fixtures", *parallel]


def run(suite, level, keyword):
    """Outcomes of tests/<suite>; keyword picks tests by a part of file or test name. Shows each as it ends."""
    folder = paths.TOP / "tests" / suite
    if not any(folder.glob("**/test_*.py")):
        return []
    log.step(f"{suite} tests")
    status, outcomes = _pytest(suite, level, [folder, *(["-k", keyword] if keyword else [])], at_once())
    if status == NOTHING_COLLECTED and (keyword or level == "quick"):
        return []
    failed = {outcome.name: outcome for outcome in outcomes if outcome.state == FAILED}
    if suite == "vm" and may_run_again(failed.values()):
        log.step(f"{len(failed)} VM tests failed; once more, alone")
        alone = _pytest(suite, level, [test_id(name) for name in failed], 1, "-again")[1]
        outcomes = [outcome for outcome in outcomes if outcome.name not in failed] + second_tries(failed, alone)
    if status != 0 and not failed:
        outcomes.append(Outcome(f"{suite}/pytest", FAILED,
                                f"pytest ended with status {status}\n{log.tail(paths.LOGS / f'{suite}.log')}"))
    return outcomes


def may_run_again(failed):
    """Whether these failed VM tests deserve a second try."""
    return 0 < len(failed) <= MOST_AGAIN and not any(FINAL.search(outcome.detail) for outcome in failed)


def test_id(name):
    """pytest's id of a test from its name in a JUnit file, 'tests.vm.test_file/test_name[parameter]'."""
    file, test = name.split("/", 1)
    return f"{file.replace('.', '/')}.py::{test}"


def second_tries(failed, alone):
    """The outcomes that count, of tests that failed (by name) and were run again."""
    again = {outcome.name: outcome for outcome in alone}
    return [_better(first, again.get(name, first)) for name, first in failed.items()]


def _better(first, second):
    if second.state == PASSED:
        return dataclasses.replace(second, first_failure=first.detail)
    return second if second.state == FAILED else first


def _pytest(suite, level, what, processes, logname=""):
    """Runs pytest for what is named; its exit status and the outcomes."""
    junit = paths.LOGS / f"{suite}{logname}.junit.xml"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tiermem_test.pytest_level",
               *(_vm_options(processes) if suite == "vm" else []),
               "-o", "junit_family=xunit2", f"--junitxml={junit}", f"--level={level}", *what]
    status = _run_shown([str(word) for word in command], paths.LOGS / f"{suite}{logname}.log")
    return status, from_junit(junit) if junit.exists() else []


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
