# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes on the command line."""

import pytest

from tiermem_vm import format_size, parse_size


@pytest.mark.parametrize("text, size", [
    ("0", 0), ("1", 1), ("4096", 4096), ("7B", 7), ("1k", 1024), ("512M", 512 << 20), ("1.5G", 3 << 29),
    ("2GiB", 2 << 30), ("1mb", 1 << 20), (" 3T ", 3 << 40), ("255T", 255 << 40), (str((1 << 48) - 1), (1 << 48) - 1),
])
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1X", "M", "1..5G", "0x10", "1e3", "0.3K", "1 G 2", "nan", "½G", "256T"])
def test_what_is_no_size_is_refused_by_name(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize("size, text", [(0, "0"), (1, "1"), (1023, "1023"), (1024, "1K"), (3 << 29, "1536M"), (1 << 40, "1T")])
def test_sizes_are_written_exactly(size, text):
    assert format_size(size) == text and parse_size(text) == size
