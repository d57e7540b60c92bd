# SPDX-License-Identifier: GPL-2.0-or-later
"""The debug kernel for tests: Debian's linux-source with ../debug-kernel.config, compiled into the cache.

Some 1,200 files. A build that was interrupted goes on where it stopped.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import cache, guest_kernel, log, paths, qemu_build, suites

SUITE = "bookworm-backports"
PACKAGE = "linux-source-6.12"
CONFIG = Path(__file__).resolve().parents[1] / "debug-kernel.config"
LOG = paths.LOGS / "debug-kernel.log"


def kernel():
    """The Kernel; built when it is not in the cache."""
    version, key = _identity()
    return _found(cache.entry("debug-kernel", key, lambda folder: _make(version, key, folder)))


def cached():
    """Whether kernel() has nothing to build."""
    return (cache.root() / "debug-kernel" / _identity()[1]).is_dir()


def _identity():
    suite = suites.Suite(SUITE)
    version = suite.remembered(f"package-{PACKAGE}", lambda: suite.show(PACKAGE)["Version"])
    return version, cache.key(version, CONFIG, Path(__file__))


def _found(folder):
    image, = (folder / "boot").glob("vmlinuz-*")
    return guest_kernel.Kernel(image.name.removeprefix("vmlinuz-"), folder)


def _make(version, key, folder):
    work = cache.root() / "debug-kernel-build" / key
    source = _source(version, work)
    configure(source, key)
    log.step(f"compiling the debug kernel of {version} (1,200 files; log: {LOG})")
    _run_make(source, [f"-j{os.cpu_count()}", "bzImage", "modules"])
    install(source, folder)
    shutil.rmtree(work)


def _source(version, work):
    """The unpacked source in `work`; what other versions have left behind is removed."""
    source = work / PACKAGE
    if source.is_dir():
        return source
    for other in work.parent.glob("*"):
        shutil.rmtree(other)
    draft = work / "draft"
    draft.mkdir(parents=True)
    log.step(f"fetching {PACKAGE} ({version})")
    suites.Suite(SUITE).unpack([PACKAGE], draft)
    subprocess.run(["tar", "-xf", draft / "usr/src" / f"{PACKAGE}.tar.xz", "-C", draft], check=True)
    (draft / PACKAGE).rename(source)
    shutil.rmtree(draft)
    return source


def configure(source, key):
    """Writes .config, once: make compiles anew what a younger one may concern. Each configuration is a release of its
    own, so that no module for another one is taken for it."""
    marker = source / ".tiermem-key"
    if marker.exists() and marker.read_text() == key:
        return
    wanted = source / ".tiermem-config"
    wanted.write_text(CONFIG.read_text() + f'CONFIG_LOCALVERSION="-tiermem-debug-{key[:8]}"\n')
    _run_make(source, [f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig"])
    lost = _lost(wanted.read_text(), (source / ".config").read_text())
    if lost:
        raise log.Failed(f"{CONFIG.name} asks for what this kernel does not have so: {', '.join(lost)}")
    marker.write_text(key)


def _lost(wanted, config):
    """Lines that did not get into the configuration."""
    have = set(config.splitlines())
    lost = []
    for line in re.findall(r"^CONFIG_.*", wanted, re.M):
        name, _, value = line.partition("=")
        kept = not any(other.startswith(f"{name}=") for other in have) if value == "n" else line in have
        lost += [] if kept else [line]
    return lost


def _run_make(source, words):
    log.run(["nice", "-n", "5", "make", "-C", source, "CC=ccache gcc", "KBUILD_BUILD_USER=tiermem",
             "KBUILD_BUILD_HOST=tests", *words], LOG, "the debug kernel's build", env=qemu_build.environment())


def install(source, folder):
    """Puts what Kernel names into a folder: image, modules, and what modules are built against."""
    release = (source / "include/config/kernel.release").read_text().strip()
    (folder / "boot").mkdir()
    shutil.copy2(source / "arch/x86/boot/bzImage", folder / "boot" / f"vmlinuz-{release}")
    _run_make(source, ["modules_install", f"INSTALL_MOD_PATH={folder}", "DEPMOD=true"])
    headers = folder / "usr/src" / f"linux-headers-{release}"
    headers.mkdir(parents=True)
    _run_make(source, ["run-command", f"KBUILD_RUN_COMMAND=+$(srctree)/scripts/package/install-extmod-build {headers}"])
    for link in ("build", "source"):
        (folder / "lib/modules" / release / link).unlink(missing_ok=True)
    subprocess.run(["/sbin/depmod", "-b", folder, release], check=True)
