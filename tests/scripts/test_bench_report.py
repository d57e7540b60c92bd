# SPDX-License-Identifier: GPL-2.0-or-later
"""The one format of all benches, and what decides whether a bar is met."""

import json

import jsonschema
import pytest

from tiermem_bench import Row, report


@pytest.mark.parametrize("bar, value, holds", [
    (None, 1, None), (None, None, None), ("<= 0.05", 0.05, True), ("<= 0.05", 0.0501, False), ("< 0.05", 0.05, False),
    (">= 2", 2, True), ("> 2", 2, False), ("== 0", 0, True), ("== 0", 1, False), ("<= -1.5", -2, True),
    ("<= 1", None, False),
])
def test_a_bar_is_judged(bar, value, holds):
    assert Row("x", value, "ratio", bar=bar).holds is holds


@pytest.mark.parametrize("bar", ["", "0.05", "=< 1", "<=1", "<= x", "<= 1; True", "<= 1e3"])
def test_a_malformed_bar_is_refused(bar):
    with pytest.raises(ValueError, match="bar"):
        Row("x", 1, "ratio", bar=bar)


def test_a_report_is_what_the_schema_says():
    rows = [Row("a", 0.04, "ratio", "virtio-balloon", 1144.0, "<= 0.05"), Row("b", None, "pages")]
    made = report.as_json("resize", rows)
    assert made["rows"][0] == {"what": "a", "value": 0.04, "unit": "ratio", "peer": "virtio-balloon",
                               "peer_value": 1144.0, "bar": "<= 0.05", "holds": True}
    assert set(made) == {"bench", "commit", "rows"}


@pytest.mark.parametrize("change", [
    lambda made: made.pop("commit"), lambda made: made.update(extra=1), lambda made: made.update(rows=[]),
    lambda made: made.update(commit="abc"), lambda made: made["rows"][0].pop("holds"),
    lambda made: made["rows"][0].update(bar="about 3"), lambda made: made["rows"][0].update(value="3"),
])
def test_the_schema_refuses_anything_else(change):
    made = report.as_json("resize", [Row("a", 1, "pages")])
    change(made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(made, json.loads(report.SCHEMA.read_text()))


def test_the_table_shows_every_figure_and_what_fails():
    lines = report.table([Row("first", 0.5, "ratio", "virtio-mem", 84, "<= 0.05"), Row("second", 1234567, "pages")])
    assert len(lines) == 3 and "FAILS" in lines[1] and "84" in lines[1] and "1,234,567" in lines[2]
