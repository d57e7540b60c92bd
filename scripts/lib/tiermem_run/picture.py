# SPDX-License-Identifier: GPL-2.0-or-later
"""The run as a picture: the fast share over time, and where the heat is at the end, drawn by gnuplot as SVG."""

import subprocess
import tempfile
from pathlib import Path

from tiermem_build import log, paths

FILE = paths.BUILD / "run.svg"
FASTEST, SLOWEST = "#009E73", "#D55E00"  # told apart with any colour vision (Okabe and Ito)
MIB = 1 << 20


def draw(looks, ranges, file=FILE):
    """looks: those of heat.py; ranges: the driver's debugfs file. Returns the picture's file."""
    with tempfile.TemporaryDirectory(prefix="tiermem-run-") as folder:
        shares, heat = Path(folder) / "shares", Path(folder) / "heat"
        shares.write_text("".join(f"{look.seconds} {look.share}\n" for look in looks if look.share is not None))
        heat.write_text("".join(f"{middle} {value} {width} {fast}\n" for middle, value, width, fast in bars(ranges)))
        done = subprocess.run(["gnuplot", "-"], input=script(shares, heat, file), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise log.Failed(f"gnuplot failed:\n{done.stdout}")
    return file


def bars(ranges):
    """(middle, accesses per epoch and MiB, width, share that is fast) of each populated range, all spaces one after
    another without the holes between them; MiB."""
    at = 0
    for line in ranges.splitlines():
        if line.startswith("#"):
            continue
        heat, fast, present = (int(word) for word in line.split()[3:6])
        if not present:
            continue
        width = present * 4096 / MIB
        yield at + width / 2, heat / width, width, fast / present
        at += width


def script(shares, heat, file):
    """gnuplot's program."""
    return f"""set terminal svg size 960,640 font 'sans,12' background 'white'
set output '{file}'
set multiplot layout 2,1
set grid lc rgb '#DDDDDD'
set title 'Accesses served by the fast tier'
set xlabel 'seconds'
set yrange [0:1]
plot '{shares}' with linespoints lw 2 pt 7 ps 0.5 lc rgb '{FASTEST}' notitle
set title 'Where the heat is at the end, and on which tier'
set xlabel 'mapped memory of all processes, MiB'
set ylabel 'sampled accesses per epoch and MiB'
set yrange [1:*]
set logscale y
set style fill solid
set palette defined (0 '{SLOWEST}', 1 '{FASTEST}')
set cbrange [0:1]
set cblabel 'share on the fast tier'
plot '{heat}' using 1:2:3:4 with boxes lc palette notitle
unset multiplot
"""
