# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines for the tests: `boot` starts one for a test alone, `guest` lends one that several tests share."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import programs  # noqa: E402
import tiers  # noqa: E402
from tiermem_vm import Config, Machine  # noqa: E402
from tiermem_vm.fixtures import STARTED, boot, kernel  # noqa: E402, F401


@pytest.fixture(scope="session")
def lent():
    """The machines that `guest` lends, by kernel."""
    machines = {}
    yield machines
    for machine in machines.values():
        machine.stop()


@pytest.fixture(scope="module")
def machines():
    """For the tests of a file that share machines of their own: what they put in, by kernel for instance, is stopped at its end."""
    started = {}
    yield started
    for machine in started.values():
        machine.stop()


def _machine_for(kernel, machines):  # noqa: F811
    if kernel not in machines:
        machine = Machine(Config(kernel=kernel, add=programs.all_programs()), f"shared-{kernel}").start()
        machines[kernel] = machine
        tiers.wait_probed(machine)
    return machines[kernel]


@pytest.fixture
def guest(request, kernel, lent):  # noqa: F811
    """A machine of 512 + 512 MiB for each kernel, with the driver bound, both quotas full and the guest programs in
    /bin. Tests may resize it, start processes and reload the driver. One that a test has failed on is not used again."""
    failed_before = request.session.testsfailed
    machine = _machine_for(kernel, lent)
    request.node.stash.setdefault(STARTED, []).append(machine)
    complaints_before = len(machine.complaints())
    machine.events()
    try:
        yield machine
        assert machine.complaints()[complaints_before:] == [], f"the guest's kernel complained: {machine.place.console}"
        if request.session.testsfailed == failed_before:
            restore(machine)
    except BaseException:
        discard(lent, kernel)
        raise
    if request.session.testsfailed > failed_before:
        discard(lent, kernel)


def discard(machines, kernel):  # noqa: F811
    machines.pop(kernel).stop()


def restore(machine):
    """Ends what a test has left running and gives the guest all of its memory."""
    machine.run("killall -9 hog pattern fragment; umount /mnt; rm -rf /tmp/*; true")
    machine.wait_driver()
    tiers.resize(machine, machine.config.fast, machine.config.slow)
