# SPDX-License-Identifier: GPL-2.0-or-later
"""The test runner behind scripts/test: builds, runs every kind of test, reads their machine-readable results."""
