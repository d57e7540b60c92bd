# SPDX-License-Identifier: GPL-2.0-or-later
"""A plugin for pytest: levels of tests, and a line for each that ends.

    @pytest.mark.quick   runs at every level: for what is short and says much
    @pytest.mark.full    runs at --level=full only: for what takes minutes
    (no mark)            runs at the levels default and full

Outside of the folder vm all that is not marked full runs at every level.
"""

import os

import pytest

LEVELS = ["quick", "default", "full"]


def pytest_addoption(parser):
    parser.addoption("--level", choices=LEVELS, default="default", help="how much to test")


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: runs at every level")
    config.addinivalue_line("markers", "full: runs at --level=full only")


def _runs(item, level):
    if level == "quick" and "tests/vm" in str(item.path):
        return item.get_closest_marker("quick") is not None
    return level == "full" or item.get_closest_marker("full") is None


def pytest_collection_modifyitems(config, items):
    level = config.getoption("--level")
    left_out = [item for item in items if not _runs(item, level)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    descriptor = os.environ.get("TIERMEM_PROGRESS_FD")
    at_work = "PYTEST_XDIST_WORKER" in os.environ  # for another process, which hears of this and says it
    if descriptor and not at_work and (report.when == "call" or report.outcome != "passed"):
        os.write(int(descriptor), f"  {report.outcome:8s} {report.duration:6.1f} s  {report.nodeid}\n".encode())
