# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the TCG plugins of qemu-device/plugins: each folder of C++ sources is one NAME.so.

They are no part of QEMU's build: they need its qemu-plugin.h and GLib only, and take seconds where QEMU takes minutes.
"""

import shutil
import subprocess
from pathlib import Path

from . import cache, log, paths, qemu_tree

SOURCES = qemu_tree.DEVICE / "plugins"
HEADER = Path("include/qemu/qemu-plugin.h")
OUR_HEADERS = qemu_tree.DEVICE / "include"  # some of them are for plugins
FLAGS = ["-std=c++20", "-O2", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-pthread"]


def build(pristine, base=paths.BUILD):
    """Makes base/plugins/NAME.so of all plugins, against the header of a QEMU source tree; returns the folder."""
    out = base / "plugins"
    out.mkdir(parents=True, exist_ok=True)
    for source in sorted(folder for folder in SOURCES.iterdir() if folder.is_dir()):
        _deliver(_built(source, pristine / HEADER, base / "logs"), out / f"{source.name}.so")
    return out


def _built(source, header, logs):
    """The plugin in the cache."""
    made = cache.entry("plugin", cache.key(source.name, source, header, OUR_HEADERS, FLAGS),
                       lambda folder: _compile(source, header, folder, logs))
    return made / f"{source.name}.so"


def _compile(source, header, folder, logs):
    log.step(f"compiling the plugin {source.name}")
    glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, text=True, stdout=subprocess.PIPE).stdout
    # Not -I: beside the header QEMU has a ctype.h of its own.
    command = ["ccache", "g++", *FLAGS, "-iquote", header.parent, "-iquote", OUR_HEADERS, *glib.split(), *sorted(source.glob("*.cpp")),
               "-o", folder / f"{source.name}.so"]
    log.run(command, logs / f"plugin-{source.name}.log", f"compiling the plugin {source.name}")


def _deliver(made, target):
    """Replaces the file: a QEMU that runs keeps the one that it has mapped."""
    if not target.exists() or target.read_bytes() != made.read_bytes():
        new = target.with_suffix(".new")
        shutil.copy2(made, new)
        new.rename(target)
