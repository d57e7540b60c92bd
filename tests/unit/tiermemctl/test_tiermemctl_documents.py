# SPDX-License-Identifier: GPL-2.0-or-later
"""Help, man pages and completion, which come from one source; and the examples that are installed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tiermemctl_tool import PROGRAM

DATA = Path(__file__).resolve().parents[3] / "tools/tiermemctl/data"
COMMANDS = ["list", "show", "set-quota", "set-qos", "top", "watch", "balance", "export"]


def options_in(text):
    return set(re.findall(r"--[a-z][a-z-]*", text))


def test_help_lists_all_commands(tool):
    out, _ = tool("--help", places=[])
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", out, re.M)] == []
    assert "documentation" not in out and "Exit status:" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_manual_of_a_command_agree(tool, command):
    text, _ = tool(command, "--help", places=[])
    assert max(len(line) for line in text.splitlines() if not line.startswith("  tiermemctl")) <= 100
    page, _ = tool("documentation", "man", command, places=[])
    assert options_in(text) == options_in(page.replace("\\-", "-"))
    assert "Examples:" in text and ".SH EXAMPLES" in page


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_has_nothing_to_say(tool, command):
    page, _ = tool("documentation", "man", *filter(None, [command]), places=[])
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_option_says_which_help_to_read(tool):
    _, err = tool("list", "--nonsense", status=2, places=[])
    assert "--nonsense" in err and "'tiermemctl list --help'" in err


def test_a_wrong_command_is_named(tool):
    assert "'balnce' is no command" in tool("balnce", "--fast-total", "1G", status=2, places=[])[1]


def completed(tool, *words):
    """What bash offers for the last word of a line."""
    script, _ = tool("documentation", "completion", places=[])
    line = " ".join(f"'{word}'" for word in ("tiermemctl", *words))
    code = f"{script}\ntiermemctl() {{ {PROGRAM} \"$@\"; }}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _tiermemctl; " \
           "printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stderr == ""
    return done.stdout.split()


def test_completion_offers_commands_options_values_and_machines(tool, machine, tmp_path):
    machine("web1"), machine("web2"), machine("db1")
    assert completed(tool, "set-") == ["set-quota", "set-qos"]
    assert completed(tool, "set-qos", "--cl") == ["--class"]
    assert completed(tool, "set-qos", "--class", "b") == ["burstable", "best-effort"]
    assert completed(tool, "balance", "--policy", "") == ["gain", "proportional", "static"]
    assert completed(tool, "show", "--socket", f"{tmp_path}/*.qmp", "we") == ["web1", "web2"]
    assert completed(tool, "list", "--socket", f"{tmp_path}/d") == [f"{tmp_path}/db1.qmp"]


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say_of_the_completion(tool, tmp_path):
    script = tmp_path / "tiermemctl"
    script.write_text(tool("documentation", "completion", places=[])[0])
    done = subprocess.run(["shellcheck", "--shell=bash", script], text=True, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_example_policy_is_one(tool, machine, tmp_path):
    machine("db1").qos["fast-min"] = 0
    text = (DATA / "policy.toml").read_text().replace("/run/virtio-tiermem", str(tmp_path)).replace('"4G"', '"64M"').replace('"8G"', '"1G"')
    (tmp_path / "policy.toml").write_text(text)
    out, _ = tool("balance", "--policy-file", tmp_path / "policy.toml", "--dry-run", places=[])
    assert "db1: " in out


def test_the_dashboard_asks_for_metrics_that_there_are(tool, machine):
    one = machine("web1")
    one.age = 0
    one.stats = [{"name": name, "tier": 0, "index": 0, "value": 1} for name in ("samples", "promoted", "demoted", "oom-reclaims")]
    one.stats.append({"name": "cpu-time", "index": 0, "value": 1})
    exported, _ = tool("export", "--once")
    board = json.loads((DATA / "grafana-dashboard.json").read_text())
    used = set(re.findall(r"tiermem_[a-z_]+", json.dumps([panel["targets"] for panel in board["panels"]])))
    assert used and [name for name in used if f"# TYPE {name} " not in exported] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_one(tmp_path):
    unit = tmp_path / "tiermemctl.service"
    unit.write_text((DATA / "tiermemctl.service").read_text().replace("/usr/bin/tiermemctl", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert [line for line in done.stdout.splitlines() if "tiermemctl.service" in line] == []
