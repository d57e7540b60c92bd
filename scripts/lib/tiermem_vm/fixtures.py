# SPDX-License-Identifier: GPL-2.0-or-later
"""A plugin for pytest: machines that are stopped after a test, with their logs in the report of a failed one.

    def test_something(boot, kernel):
        machine = boot(kernel=kernel, fast=parse_size("1G"))
        ...

scripts/test loads it; a conftest.py does so with pytest_plugins = ["tiermem_vm.fixtures"].
"""


from contextlib import ExitStack

import pytest

from . import config
from .host_memory import huge_pages
from .machine import Machine

STARTED = pytest.StashKey[list]()


@pytest.fixture(params=config.KERNELS)
def kernel(request):
    """Each kernel series that guests are booted with."""
    return request.param


@pytest.fixture
def boot(request):
    """A function that starts a Machine from Config's settings. After the test all are stopped, and it fails if one
    of their kernels complained, unless the test has set machine.complaints_expected."""
    machines = request.node.stash.setdefault(STARTED, [])

    with ExitStack() as stack:
        def start(**settings):
            provide_huge_pages(settings, stack)
            machine = Machine(config.Config(**settings), request.node.name)
            machines.append(machine)
            return machine.start()
        yield start
        for machine in machines:
            machine.stop()
    complaints = [line for machine in machines if not machine.complaints_expected for line in machine.complaints()]
    assert complaints == [], "a guest's kernel complained; its console is named above or in build/logs/vm"


def provide_huge_pages(settings, stack):
    """Sets huge pages aside for a machine that wants them, until the stack is closed; skips the test where the host
    has not enough."""
    if settings.get("backend") == "hugetlb":
        wanted = config.Config(**settings)
        free = stack.enter_context(huge_pages(wanted.fast + wanted.slow))
        if free < wanted.fast + wanted.slow:
            pytest.skip(f"the host has {free} bytes of free 2M pages, the machine takes {wanted.fast + wanted.slow}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for machine in item.stash.get(STARTED, []):
            if machine.place:
                report.sections.append((f"machine {machine.name}", machine.place.describe()))
