# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes as people write them: 512M, 1.5G, 4096 (bytes). Units are powers of 1024, as QEMU's are."""

import re
from fractions import Fraction

UNITS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
LIMIT = 1 << 48  # no guest here has more than 256 TiB


def parse_size(text):
    """Bytes of a size; raises ValueError that says what is allowed."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([BKMGT]?)(?:i?B)?", text.strip(), re.I)
    value = Fraction(found[1]) * 1024 ** UNITS[found[2].upper()] if found else None
    if value is None or value.denominator != 1:
        raise ValueError(f"'{text}' is no size: a number with an optional unit K, M, G or T, whole in bytes, is one")
    if value >= LIMIT:
        raise ValueError(f"'{text}' is too large: sizes go up to 256T")
    return int(value)


def format_size(size):
    """The shortest exact way to write a size."""
    for unit, power in (("T", 4), ("G", 3), ("M", 2), ("K", 1)):
        if size and size % 1024 ** power == 0:
            return f"{size // 1024 ** power}{unit}"
    return str(size)
