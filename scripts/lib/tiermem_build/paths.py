# SPDX-License-Identifier: GPL-2.0-or-later
"""The folders of this checkout that scripts read and write."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
BUILD = TOP / "build"
LOGS = BUILD / "logs"
