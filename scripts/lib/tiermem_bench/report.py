# SPDX-License-Identifier: GPL-2.0-or-later
"""A bench's rows as JSON by docs/bench.schema.json, and as a table for people."""

import json
import subprocess

import jsonschema

from tiermem_build import paths

SCHEMA = paths.TOP / "docs/bench.schema.json"
VERDICT = {True: "holds", False: "FAILS", None: ""}


def commit():
    """The checkout's commit, with -dirty when it has been changed."""
    def git(*words):
        return subprocess.run(["git", "-C", paths.TOP, *words], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    head = git("rev-parse", "HEAD")
    if head.returncode != 0:
        return "unknown"
    return head.stdout.strip() + ("-dirty" if git("status", "--porcelain").stdout.strip() else "")


def as_json(bench, rows):
    """The report, checked against the schema; raises jsonschema.ValidationError."""
    report = {"bench": bench, "commit": commit(), "rows": [row.as_json() for row in rows]}
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    return report


def _figure(value):
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def table(rows):
    """Lines of a table with a column for each thing that a row says."""
    head = ("what", "value", "unit", "peer", "peer's", "bar", "")
    cells = [head] + [(row.what, _figure(row.value), row.unit, row.peer or "", _figure(row.peer_value) if row.peer else "",
                       row.bar or "", VERDICT[row.holds]) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    right = {1, 4}
    return ["  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                      for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in cells]
