#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Branch coverage of the policy core by its unit tests; ends with 0 if it is at least 90 %.

Builds the tests with gcc's coverage in a folder of its own and runs gcovr.
Branches that exist only for exceptions are not counted: the core has none.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
POLICY = TOP / "guest-virtio-driver/policy"
TESTS = Path(__file__).resolve().parent


def build(folder, core):
    flags = ["-std=c++20", "-O0", "-g", "--coverage", "-fno-exceptions", "-fno-inline", f"-I{POLICY}"]
    objects = []
    for source in [*core, *sorted(TESTS.glob("*_test.cpp"))]:
        objects.append(f"{folder}/{source.stem}.o")
        own = [flag for flag in flags if POLICY in source.parents or flag not in ("--coverage", "-fno-exceptions")]
        subprocess.run(["g++-12", *own, "-c", str(source), "-o", objects[-1]], check=True)
    subprocess.run(["g++-12", "--coverage", "-o", f"{folder}/tests", *objects, "-lcriterion"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path, help="of the core, as its meson.build lists them")
    parser.add_argument("--least", type=float, default=90.0, help="percent of branches (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(folder, [source.resolve() for source in arguments.sources])
        subprocess.run([f"{folder}/tests", "-j2"], check=True, cwd=folder)
        done = subprocess.run(["gcovr", "--root", str(POLICY), "--object-directory", folder, "--gcov-executable", "gcov-12",
                               "--branches", "--exclude-throw-branches", "--fail-under-branch", str(arguments.least),
                               "--exclude", ".*range_set.*", "--exclude", ".*/tests/.*", folder], cwd=folder)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
