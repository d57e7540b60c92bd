# SPDX-License-Identifier: GPL-2.0-or-later
"""The tiering bench's table, picture, finished runs and set-ups."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiermem_bench import tiering_peers, tiering_picture, tiering_store, tiering_table

TOP = Path(__file__).resolve().parents[2]
BENCH = TOP / "scripts/bench"


def run(share=0.9, rate=5e6, **more):
    return {"fast_share": share, "of_ideal": None, "rate": rate, "pages_moved": 1234567, "begin": 10, "shift": None,
            "series": [(1.0, share), (2.0, share)], **more}


def test_the_table_shows_medians_and_spread():
    lines = tiering_table.lines({("gups", "none"): [run(0.1), run(0.3), run(0.2)], ("gups", "tiermem"): [run()]})
    assert len(lines) == 3 and lines[0].startswith("workload")
    assert "0.200 (0.100..0.300)" in lines[1] and "1,234,567" in lines[1] and " - " in lines[1]
    assert "0.900" in lines[2] and ".." not in lines[2]


def test_the_documents_table_has_the_same_columns():
    lines = tiering_table.markdown({("gups", "none"): [run()]})
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 3


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="no gnuplot; scripts/setup installs it")
def test_the_picture_has_a_panel_for_each_workload_and_a_line_for_each_peer(tmp_path):
    file = tmp_path / "it's.svg"
    tiering_picture.draw({("gups", "none"): [run()], ("gups", "a_b"): [run()], ("shift", "none"): [run(shift=1_000_000_010)]},
                         file)
    text = file.read_text()
    assert text.rstrip().endswith("</svg>") and all(word in text for word in (">gups<", ">shift<", ">none<", ">a_b<"))


def test_finished_runs_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TIERMEM_CACHE", str(tmp_path))
    assert tiering_store.load("k") is None
    tiering_store.save("k", run())
    assert tiering_store.load("k")["fast_share"] == 0.9
    (tiering_store.folder() / "k.json").write_text('{"fast_sh')
    assert tiering_store.load("k") is None


def test_runs_that_nobody_asks_for_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("TIERMEM_CACHE", str(tmp_path))
    tiering_store.save("old", run())
    long_ago = time.time() - 86400 * (tiering_store.KEPT_DAYS + 1)
    os.utime(tiering_store.folder() / "old.json", (long_ago, long_ago))
    tiering_store.save("new", run())
    assert tiering_store.load("old") is None and tiering_store.load("new")


@pytest.mark.parametrize("name", tiering_peers.PEERS)
def test_each_set_up_is_shell(name):
    text = tiering_peers.QUIET + tiering_peers.PEERS[name].setup
    assert subprocess.run(["sh", "-n"], input=text, text=True).returncode == 0
    done = subprocess.run(["shellcheck", "--shell=sh", "--exclude=SC2164", "-"], input="export FAST=1 SLOW=2\n" + text, text=True,
                          stdout=subprocess.PIPE)
    assert done.stdout == ""


def test_unknown_peers_are_named():
    assert tiering_peers.unknown(["none", "tiermem"]) is None
    assert "'demon' is unknown; there are: none" in tiering_peers.unknown(["none", "demon"])


def refused(*words):
    """What the command says when it refuses."""
    done = subprocess.run([sys.executable, BENCH, "tiering", *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("words, said", [
    (["--workload", "gubs"], "workload 'gubs' is unknown; there are: gups"),
    (["--peer", "demon"], "peer 'demon' is unknown; there are: none"),
    (["--size", "2G"], "do not fit; both tiers together have room for"),
    (["--size", "640M"], "do not fit into the slow tier"), (["--size", "lots"], "--size: 'lots' is no size"),
    (["--size", "511.5M"], "--size: a multiple of 2M"), (["--hot", "500M"], "--hot: a multiple of 4K up to"),
    (["--fast", "64M"], "at least 192M"), (["--fast", "3G"], "3G together"), (["--repeat", "0"], "--repeat 0: at least 1"),
    (["--seconds", "1"], "--seconds 1.0: at least 3"),
])
def test_what_cannot_be_is_refused_with_what_can(words, said):
    assert said in refused(*words)


def test_help_names_workloads_and_peers():
    done = subprocess.run([sys.executable, BENCH, "tiering", "--help"], text=True, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and all(word in done.stdout for word in ("heap", *tiering_peers.PEERS))
