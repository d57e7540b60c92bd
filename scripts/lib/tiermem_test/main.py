# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/test: what to run for which arguments, and the summary."""

import argparse
import subprocess
import sys
import time

from tiermem_build import guest_kernel, log, paths, trixie

from . import meson_suite, pytest_suite, qtest_suite
from .outcome import FAILED, PASSED, SKIPPED, Outcome

SUITES = ["unit", "fuzz", "lint", "scripts", "qtest", "vm"]
NEWEST = "7"  # series of kernels that are only compiled for, and only reported
SHOWN_LINES = 30  # of a failure's detail; the logs have all


def parse(words):
    parser = argparse.ArgumentParser(
        prog="test", description="Builds everything and runs the tests; the last line counts them.",
        epilog=f"Logs are in {paths.LOGS.relative_to(paths.TOP)}/, guests' consoles in its folder vm/.")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--quick", dest="level", action="store_const", const="quick",
                       help="what takes under 3 minutes when all is built")
    level.add_argument("--full", dest="level", action="store_const", const="full",
                       help="also what takes long: fuzzing for a minute, Debian 13, the newest kernel")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"only these: a suite ({', '.join(SUITES)}) or a part of a test's or test file's name")
    parser.set_defaults(level="default")
    return parser.parse_args(words)


def selection(names):
    """(suites that may hold what is wanted, predicate over suite and test name, pytest's keyword per suite)."""
    parts = [name for name in names if name not in SUITES]
    suites = SUITES if parts or not names else names

    def wanted(suite, name):
        return not names or suite in names or any(part in name for part in parts)

    def keyword(suite):
        return "" if not names or suite in names else " or ".join(part.removesuffix(".py") for part in parts)
    return suites, wanted, keyword


class Run:
    """Collects outcomes; a build step that fails is a failed test of its own."""

    def __init__(self):
        self.outcomes = []

    def step(self, name, action, *arguments):
        """Runs a build step; whether it worked."""
        try:
            action(*arguments)
            return True
        except (log.Failed, subprocess.CalledProcessError) as problem:
            print(f"  failed   {name}", file=sys.stderr)
            self.outcomes.append(Outcome(name, FAILED, str(problem)))
            return False


def script(name, *words):
    """Runs another of our scripts; its progress is shown as it is its stderr."""
    done = subprocess.run([paths.TOP / "scripts" / name, *words], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise log.Failed(f"scripts/{name} {' '.join(words)} ended with status {done.returncode}; its words are above")


def build_guests(run):
    """QEMU, and the driver and image for each kernel that is booted; whether machines can be started."""
    done = [run.step("build QEMU", script, "build-qemu")]
    for series in guest_kernel.BOOTED:
        done.append(run.step(f"build the driver for {series}", script, "build-module", series))
    return all(done)


def build_other_kernels(run):
    """Kernels for which the driver is only compiled. The newest is not released with any Debian yet: where its headers
    and compiler do not fit together, there is nothing to test."""
    for series in guest_kernel.SERIES:
        if series in guest_kernel.BOOTED:
            continue
        name = f"compile the driver for {series}"
        try:
            trixie.kernel(series)
        except log.Failed as problem:
            state = SKIPPED if series == NEWEST else FAILED
            run.outcomes.append(Outcome(name, state, f"no headers and compiler to be had: {problem}"))
            continue
        if run.step(name, script, "build-module", series):
            run.outcomes.append(Outcome(name, PASSED))


def execute(arguments, run):
    """All that the arguments ask for, cheapest first."""
    suites, wanted, keyword = selection(arguments.names)
    if {"unit", "fuzz"} & set(suites) and run.step("build", meson_suite.build):
        run.outcomes += meson_suite.run(arguments.level, wanted)
    guests = {"qtest", "vm"} & set(suites) and build_guests(run)
    for suite in ("lint", "scripts"):
        if suite in suites:
            run.outcomes += pytest_suite.run(suite, arguments.level, keyword(suite))
    if guests and "qtest" in suites:
        run.outcomes += qtest_suite.run(wanted)
    if guests and "vm" in suites:
        run.outcomes += pytest_suite.run("vm", arguments.level, keyword("vm"))
    if arguments.level == "full" and not arguments.names:
        build_other_kernels(run)


def report(outcomes, seconds):
    """Failures and skips with their reasons, then the line that counts."""
    for outcome in outcomes:
        if outcome.state == FAILED:
            lines = outcome.detail.splitlines()
            print(f"\nFAILED {outcome.name}")
            print("\n".join(f"    {line}" for line in lines[-SHOWN_LINES:]))
    for outcome in outcomes:
        if outcome.first_failure:
            print(f"passed at the second try, alone: {outcome.name}\n    first: {outcome.first_failure.splitlines()[0]}")
        if outcome.state == SKIPPED:
            print(f"skipped {outcome.name}: {outcome.detail.splitlines()[0]}")
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in (PASSED, FAILED, SKIPPED)}
    print(f"took {seconds:.0f} s; logs: {paths.LOGS}")
    print(", ".join(f"{count} {state}" for state, count in counts.items()), flush=True)
    return 0 if counts[FAILED] == 0 and counts[PASSED] > 0 else 1


def main():
    arguments = parse(sys.argv[1:])
    begin = time.monotonic()
    run = Run()
    execute(arguments, run)
    if not run.outcomes:
        print(f"test: no test matches {' '.join(arguments.names)}", file=sys.stderr)
    return report(run.outcomes, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())
