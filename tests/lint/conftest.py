# SPDX-License-Identifier: GPL-2.0-or-later
"""Lint tests run by pytest alone, without scripts/test: those of the level full are left out."""

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "full: runs at --level=full only")


def pytest_collection_modifyitems(config, items):
    if config.getoption("level", None) is None:
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: scripts/test --full lint runs it"))
