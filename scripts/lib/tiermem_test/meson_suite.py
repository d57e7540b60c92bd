# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own build, and the suites that meson runs: unit, fuzz."""

import json
import os
import subprocess

from tiermem_build import log, paths

from .outcome import FAILED, Outcome, from_junit

BUILD = paths.BUILD


def build():
    """Sets up and compiles build/; raises log.Failed."""
    if not (BUILD / "build.ninja").exists():
        log.step("configuring build/")
        log.run(["meson", "setup", BUILD, paths.TOP], paths.LOGS / "meson-setup.log", "meson setup", cwd=paths.TOP)
    log.step("compiling build/")
    log.run(["nice", "meson", "compile", "-C", BUILD], paths.LOGS / "meson-compile.log", "meson compile")


def tests(level, wanted):
    """Names of meson's tests of a level that the predicate wanted(suite, name) takes."""
    listing = subprocess.run(["meson", "introspect", "--tests", BUILD], check=True, stdout=subprocess.PIPE).stdout
    found = []
    for test in json.loads(listing):
        suites = {suite.split(":")[-1] for suite in test["suite"]}
        if ("full" not in suites or level == "full") and any(wanted(suite, test["name"]) for suite in suites):
            found.append(test["name"])
    return found


def run(level, wanted):
    """Outcomes of the tests that are wanted."""
    names = tests(level, wanted)
    if not names:
        return []
    log.step(f"unit and fuzz tests: {', '.join(names)}")
    junit = BUILD / "meson-logs/testlog.junit.xml"
    junit.unlink(missing_ok=True)
    logfile = paths.LOGS / "meson-test.log"
    try:
        log.run(["meson", "test", "-C", BUILD, "--no-rebuild", "--num-processes", str(os.cpu_count()), *names],
                logfile, "meson test")
        failure = None
    except log.Failed as problem:
        failure = Outcome("meson test", FAILED, str(problem))
    outcomes = from_junit(junit) if junit.exists() else []
    # Meson's status says that something failed: never take it for less than its listing does.
    if failure and not any(outcome.state == FAILED for outcome in outcomes):
        outcomes.append(failure)
    return outcomes
