# SPDX-License-Identifier: GPL-2.0-or-later
"""Configures, builds and installs QEMU from the tree that qemu_tree.py composes.

Under one folder (build/ of the checkout, or --build-dir): qemu-src the tree, qemu-build ninja's, qemu what is
installed, with bin/, python/ (QEMU's own packages: qemu.qmp, qemu.machine; put it on PYTHONPATH), tests/ and
tests.json (our tests' sources and the programs that hold them).
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from . import cache, log, qemu_tree, suites

CONFIGURE = [
    "--target-list=x86_64-softmmu", "--without-default-features", "--enable-system", "--enable-tcg", "--enable-kvm",
    "--enable-plugins", "--enable-tools", "--enable-fdt=system", "--enable-slirp", "--enable-numa",
    "--enable-trace-backends=log", "--enable-werror", "--disable-docs", "--disable-install-blobs", "--disable-download",
]
PROGRAMS = ["qemu-system-x86_64", "qemu-img", "qemu-io"]
QOS_TEST = "tests/qtest/qos-test"  # the program into which QEMU links tests that use its libqos graph
FIRMWARE = [Path("/usr/share/seabios"), Path("/usr/share/qemu"), Path("/usr/lib/ipxe/qemu")]  # of the host's packages, earlier ones first
TOOLS_SUITE = "bookworm-backports"  # bookworm's meson is too old for QEMU


def tools():
    """A private Python environment with the meson that QEMU asks for; the host's is left alone."""
    suite = suites.Suite(TOOLS_SUITE)
    packages = ["meson", "python3-pycotap"]
    versions = suite.remembered("meson", lambda: [suite.show(package)["Version"] for package in packages])
    return cache.entry("qemu-tools", cache.key(*versions), lambda folder: _make_tools(suite, packages, folder))


def _make_tools(suite, packages, folder):
    log.step("unpacking the build tools QEMU needs (meson)")
    suite.unpack(packages, folder / "packages")
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", folder / "venv"],
                   check=True)
    site, = (folder / "venv/lib").glob("python3*/site-packages")
    for package in (folder / "packages/usr/lib/python3/dist-packages").iterdir():
        package.rename(site / package.name)


def environment():
    """ccache in the cache folder, usable from checkouts at any path."""
    folder = cache.root() / "ccache"
    return {**os.environ, "CCACHE_DIR": str(folder), "CCACHE_MAXSIZE": "3G", "CCACHE_NOHASHDIR": "1",
            "CCACHE_SLOPPINESS": "time_macros", "CCACHE_CPP2": "1"}


def configure(base, logs):
    """Runs QEMU's configure when it never ran here or its arguments have changed."""
    folder = base / "qemu-build"
    command = ["../qemu-src/configure", f"--prefix={base / 'qemu'}", f"--python={tools()}/venv/bin/python3",
               "--cc=ccache gcc", "--cxx=ccache g++", *CONFIGURE]
    stamp = folder / "configured"
    if stamp.exists() and stamp.read_text() == "\n".join(command):
        return
    log.step("configuring QEMU")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log.run(command, logs / "qemu-configure.log", "QEMU's configure", cwd=folder, env=environment())
    stamp.write_text("\n".join(command))


def compile(base, logs, targets, jobs):
    """Builds ninja targets in base/qemu-build."""
    log.step(f"compiling QEMU ({', '.join(targets)})")
    log.run(["nice", "ninja", f"-j{jobs}", *targets], logs / "qemu-ninja.log", "compiling QEMU",
            cwd=base / "qemu-build", env=environment())


def test_programs(base):
    """{our test's source: ninja target that holds it}: a program of its own, or else QEMU's qos-test."""
    known = subprocess.run(["ninja", "-t", "targets", "all"], cwd=base / "qemu-build", check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    targets = {line.split(":")[0] for line in known.splitlines()}
    return {source: own if (own := source.removesuffix(".c")) in targets else QOS_TEST for source in qemu_tree.tests()}


def install(base, targets, programs, into):
    """Copies programs, tests and QEMU's Python packages from the build to a folder."""
    build = base / "qemu-build"
    for target in targets:
        place = into / "bin" / target if target in PROGRAMS else into / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(build / target, place)
    (into / "tests.json").write_text(json.dumps(programs))
    # Where QEMU looks by itself: for the qtests, which name no firmware.
    firmware = into / "share/qemu"
    firmware.mkdir(parents=True)
    for file in [file for folder in FIRMWARE for file in sorted(folder.iterdir()) if file.is_file()]:
        if not (firmware / file.name).exists():
            (firmware / file.name).symlink_to(file)
    shutil.copytree(base / "qemu-src/python/qemu", into / "python/qemu")
    shutil.copytree(base / "qemu-src/scripts/qmp", into / "scripts/qmp")
