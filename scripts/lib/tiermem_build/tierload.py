# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds tools/tierload for a guest: one static program, in the cache by content. What stands in that folder is this
program's; another one has a folder of its own."""

from . import cache, log, paths

SOURCES = paths.TOP / "tools/tierload"
FLAGS = ["-std=c++20", "-O2", "-static", "-s", "-DFMT_HEADER_ONLY"]


def build():
    """The program's file."""
    made = cache.entry("tierload", cache.key(SOURCES, FLAGS), _compile)
    return made / "tierload"


def _compile(folder):
    log.run(["ccache", "g++", *FLAGS, *sorted(SOURCES.glob("*.cpp")), "-o", folder / "tierload"],
            paths.LOGS / "tierload.log", "compiling tierload")
