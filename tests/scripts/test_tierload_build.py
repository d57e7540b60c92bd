# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that scripts/run puts into its guest is compiled apart from meson's build, so it is tried apart from it."""

import subprocess

from tiermem_build import tierload


def test_the_guests_program_is_built_and_runs():
    done = subprocess.run([tierload.build(), "--list"], text=True, capture_output=True)
    assert done.returncode == 0 and "gups" in done.stdout, done.stdout + done.stderr
