# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast share over time, a panel for each workload and a line for each peer, drawn by gnuplot as SVG."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tiermem_build import log

PANEL = (560, 330)  # pixels
IN_A_ROW = 2
# Colours that people with any colour vision can tell apart (Okabe and Ito), by peer; others get black.
COLOURS = {"none": "#999999", "slow": "#BBBBBB", "ideal": "#000000", "balancing": "#E69F00", "balancing-tuned": "#D55E00",
           "damon": "#56B4E9", "damon-tuned": "#0072B2", "tiermem": "#009E73", "hypervisor": "#CC79A7", "hypervisor-free": "#F0E442"}
FIRST_LINES = 3  # of what gnuplot says when it fails


def draw(cells, file):
    """cells: {(workload, peer): runs}; the first run of each is drawn. Raises log.Failed."""
    if not shutil.which("gnuplot"):
        raise log.Failed("--plot needs gnuplot: scripts/setup installs it")
    with tempfile.TemporaryDirectory(prefix="tiering-picture-") as folder:
        program = script(cells, Path(folder), file)
        done = subprocess.run(["gnuplot", "-"], input=program, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise log.Failed("gnuplot failed:\n" + "\n".join(done.stdout.splitlines()[:FIRST_LINES]))


def script(cells, folder, file):
    """gnuplot's program; writes the data beside it."""
    workloads = list(dict.fromkeys(workload for workload, _ in cells))
    rows = -(-len(workloads) // IN_A_ROW)
    columns = min(IN_A_ROW, len(workloads))
    words = [f"set terminal svg size {PANEL[0] * columns},{PANEL[1] * rows} font 'sans,11' noenhanced background 'white'",
             f"set output {quoted(file)}", f"set multiplot layout {rows},{columns}",
             "set yrange [0:1]", "set xlabel 'model seconds'", "set ylabel 'share of misses served fast'",
             "set key outside right top", "set grid lc rgb '#DDDDDD'"]
    for workload in workloads:
        words += panel(workload, {peer: runs[0] for (name, peer), runs in cells.items() if name == workload and runs}, folder)
    return "\n".join([*words, "unset multiplot"]) + "\n"


def panel(workload, runs, folder):
    """The commands of one panel."""
    curves, shifts = [], []
    for peer, run in runs.items():
        data = folder / f"{workload}-{peer}.data"
        data.write_text("".join(f"{time} {share}\n" for time, share in run["series"]))
        curves.append(f"{quoted(data)} with lines lw 2 lc rgb '{COLOURS.get(peer, '#000000')}' title {quoted(peer)}")
        shifts += [(run["shift"] - run["begin"]) / 1e9] if run["shift"] else []
    if not curves:
        return []
    arrow = [f"set arrow 1 from {shifts[0]},0 to {shifts[0]},1 nohead dt 2 lc rgb '#888888'"] if shifts else []
    return [f"set title {quoted(workload)}", *arrow, "plot " + ", ".join(curves), *(["unset arrow 1"] if arrow else [])]


def quoted(text):
    """As gnuplot takes it in single quotes."""
    return "'" + str(text).replace("'", "''") + "'"
