# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchanger's test module and guest programs: built from exchange_test/ and the driver's sources, by kernel series.

The module is made of the driver's own source files and needs neither the driver nor its device.
"""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import programs
from tiermem_build import module, paths

FOLDER = Path(__file__).parent / "exchange_test"
DRIVER = paths.TOP / "guest-virtio-driver"
SHARED = ["exchange*.[ch]", "exchange.mk", "kernel_symbols.[ch]", "leaf_entry.h", "relocate.[ch]", "migrate.[ch]",
          "residency.[ch]", "node_room.[ch]", "sharers.h", "page_table.h", "idle_folios.h", "spaces.h", "tiering.h", "sampler.h",
          "tiermem.h", "trace.h", "policy/policy.h", "policy/budget.h", "policy/range_set.h"]
NAME = "tiermem_exchange_test"


def build_module(series):
    """The .ko for a kernel series."""
    with tempfile.TemporaryDirectory(prefix="tiermem-exchange-") as folder:
        source = Path(folder) / "exchange_test"
        source.mkdir()
        for file in [FOLDER / "Kbuild", *FOLDER.glob("*.[ch]")]:
            shutil.copy2(file, source)
        for file in (file for pattern in SHARED for file in DRIVER.glob(pattern)):
            (source / file.relative_to(DRIVER)).parent.mkdir(exist_ok=True)
            shutil.copy2(file, source / file.relative_to(DRIVER))
        return next(built for built in module.build(source, series, paths.BUILD / "test-modules" / series)
                    if built.stem == NAME)


@functools.cache
def build_programs():
    """[(file, path in the guest)] of the programs, as Config.add takes them."""
    output = Path(tempfile.mkdtemp(prefix="tiermem-exchange-programs-"))
    return [_build_program(source, output) for source in sorted(FOLDER.glob("*.cpp"))]


def _build_program(source, output):
    program = output / source.stem
    subprocess.run(["g++", *programs.FLAGS, "-pthread", f"-I{FOLDER}", "-o", program, source], check=True)
    return program, f"/bin/{source.stem}"


def settings(series, **more):
    """Config's settings for a machine that has both in its image, without the driver and its device. Nobody else moves
    pages in it."""
    return {"kernel": series, "tiermem": False, "accel": "tcg", "modules": [build_module(series)],
            "add": build_programs(), "append": "no_timer_check numa_balancing=disable", **more}


def values(line):
    """{name: number or word} of a line of name=value words."""
    pairs = (word.partition("=") for word in line.split() if "=" in word)
    return {name: int(value) if value.isdigit() else value for name, _, value in pairs}
