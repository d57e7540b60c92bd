# SPDX-License-Identifier: GPL-2.0-or-later
"""The tiering bench's table: a line for each workload and peer, medians over the repeats and their spread."""

import statistics

# (heading, key, decimals, factor, whether the spread is shown)
COLUMNS = [
    ("fast share", "fast_share", 3, 1, True),
    ("of ideal", "of_ideal", 3, 1, False),
    ("90 % after", "to_90", 1, 1, False),
    ("after shift", "to_90_shift", 1, 1, False),
    ("memory ns", "memory_ns", 1, 1, False),
    ("Mops", "rate", 3, 1e-6, True),
    ("of ideal", "rate_of_ideal", 3, 1, False),
    ("Mops late", "late_rate", 3, 1e-6, False),
    ("kernel Ginstr", "kernel_instructions", 3, 1e-9, False),
    ("kernel %", "kernel_share", 1, 100, False),
    ("% late", "kernel_late", 1, 100, False),
    ("pages moved", "pages_moved", 0, 1, False),
    ("per hot page", "moves_per_hot_page", 2, 1, False),
]
HEAD = ("workload", "peer")


def median(runs, key):
    """Of the runs that have it; None when none has."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def spread(runs, key):
    """(smallest, largest), or None for fewer than two."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return (min(values), max(values)) if len(values) > 1 else None


def figure(runs, key, decimals, factor, with_spread):
    """A cell of the table."""
    value = median(runs, key)
    if value is None:
        return "-"
    text = f"{value * factor:,.{decimals}f}"
    ends = spread(runs, key) if with_spread else None
    return text + (f" ({ends[0] * factor:,.{decimals}f}..{ends[1] * factor:,.{decimals}f})" if ends else "")


def lines(cells):
    """cells: {(workload, peer): runs}. Lines as wide as they need to be."""
    table = [HEAD + tuple(heading for heading, *_ in COLUMNS)]
    for (workload, peer), runs in cells.items():
        table.append((workload, peer, *(figure(runs, *how) for _, *how in COLUMNS)))
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) if column < len(HEAD) else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table]


def markdown(cells):
    """The same as a table for a document."""
    head = HEAD + tuple(heading for heading, *_ in COLUMNS)
    rows = [head, tuple("---" if column < len(HEAD) else "---:" for column in range(len(head)))]
    for (workload, peer), runs in cells.items():
        rows.append((workload, peer, *(figure(runs, *how) for _, *how in COLUMNS)))
    return ["| " + " | ".join(row) + " |" for row in rows]
