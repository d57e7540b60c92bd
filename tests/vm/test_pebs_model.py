# SPDX-License-Identifier: GPL-2.0-or-later
"""A memory model given by a TCG plugin decides what the load-latency event counts and what its records say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts/lib"), str(Path(__file__).parent / "guest")]
import pebs_perf  # noqa: E402
from tiermem_build import paths  # noqa: E402

PLUGIN = Path(__file__).parent / "guest/pebs-model.c"
SLOW_BIT = 1 << 21
PERIOD, ACCESSES = 257, 10_000_000
THRESHOLD = 100  # between the model's two latencies, 20 and 300
REMOTE_DRAM_L2_EVENTS = {"r02d3": True, "r02d1": False}  # event of the slow or the other accesses


def plugin(folder):
    """The model as a shared object."""
    headers = subprocess.run([paths.TOP / "scripts/build-qemu", "--tree-only"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()
    made = Path(folder) / "pebs-model.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{headers}/include/qemu",
                    f"-I{headers}/include", *glib, "-o", made, PLUGIN], check=True)
    return made


@pytest.fixture(scope="module", params=["skylake", "icelake"])
def guest(request, tmp_path_factory):
    made = plugin(tmp_path_factory.mktemp("plugin"))
    with pebs_perf.machine("6.12", request.param, cpus=2, qemu_args=["-plugin", str(made)]) as vm:
        yield vm


def slow_share(pairs, slow):
    return sum(bool(address & SLOW_BIT) == slow for address, _ in pairs) / len(pairs)


def test_load_latency_counts_slow_accesses_only(guest):
    output = pebs_perf.record(guest, f"record -d -W -c {PERIOD} -e cpu/event=0xcd,umask=0x1,ldlat={THRESHOLD}/upp",
                              f"load {ACCESSES} 0")
    pairs = pebs_perf.samples(guest)
    touched = pebs_perf.parse_touch(output)
    expected = touched.accesses / 2 / PERIOD  # half of the cold buffer is slow
    assert slow_share(pairs, True) == 1.0
    assert abs(len(pairs) / expected - 1) < 0.01, (len(pairs), expected)
    weights = guest.run("perf script -i /tmp/perf.data -F weight").output.split()
    assert set(weights) == {"300"}


@pytest.mark.parametrize("event", REMOTE_DRAM_L2_EVENTS)
def test_events_by_data_source(guest, event):
    pebs_perf.record(guest, f"record -d -c {PERIOD} -e {event}:upp", f"load {ACCESSES} 0")
    pairs = pebs_perf.samples(guest)
    assert len(pairs) > ACCESSES / PERIOD / 3
    assert slow_share(pairs, REMOTE_DRAM_L2_EVENTS[event]) == 1.0


def test_records_tell_the_source(guest):
    pebs_perf.record(guest, f"record -d -W --data -c {PERIOD} -e cpu/mem-loads,ldlat=10/upp", f"load {ACCESSES} 0")
    text = guest.run("perf script -i /tmp/perf.data -F addr,data_src,weight", timeout=200).output
    found = {(bool(int(addr, 16) & SLOW_BIT), "Remote" in source, int(weight))
             for addr, source, weight in re.findall(r"^ *([0-9a-f]+) +[0-9a-f]+ (\|.*?) +(\d+) *$", text, re.M)}
    assert found == {(True, True, 300), (False, False, 20)}, text[:2000]
