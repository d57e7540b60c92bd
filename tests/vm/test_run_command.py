# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/run, the whole thing at work, by its contract: status, verdict and the report for --json."""

import json
import subprocess
from pathlib import Path

import pytest
from tiermem_build import paths

RUN = Path(__file__).resolve().parents[2] / "scripts/run"


@pytest.mark.full
def test_run_passes_and_says_what_it_saw(tmp_path):
    report, picture = tmp_path / "report.json", paths.BUILD / "run.svg"
    picture.unlink(missing_ok=True)
    done = subprocess.run([RUN, "--kernel", "6.12", "--json", report], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nPASSED\n") and "\x1b" not in done.stdout
    found = json.loads(report.read_text())
    assert found["holds"] and all(check["holds"] for check in found["checks"])
    assert any(step["deadline-ms"] for step in found["steps"]) and all(step["reached"] for step in found["steps"])
    assert {look["phase"] for look in found["heat"] if look["share"] is not None} == {"it begins", "hot part", "less fast"}
    assert found["heat"][-1]["promoted"] > found["heat"][0]["promoted"]
    text = picture.read_text()
    assert "Accesses served by the fast tier" in text and "Where the heat is at the end" in text
