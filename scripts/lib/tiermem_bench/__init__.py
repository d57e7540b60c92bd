# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the benches of tests/bench and reports what they measured.

A bench is a module tests/bench/NAME.py whose docstring's first line says what it measures, with
    def rows(): yields a Row for each figure
"""

from .row import Row

__all__ = ["Row"]
