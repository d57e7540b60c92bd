# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds kernel modules out of tree, on a copy of their sources, so that the checkout stays clean.

The copy keeps the folders' places relative to each other (guest-virtio-driver/ beside spec/), so that
Kbuild files may name ../spec. It is kept between builds: only what has changed is compiled again.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cache, guest_kernel, log, paths, trixie

SPEC = paths.TOP / "spec"
# pahole wants the kernel's vmlinux, which Debian's headers do not carry; the module merely has no BTF.
KNOWN = [re.compile(r"Skipping BTF generation .* due to unavailability of vmlinux")]
COMPLAINT = re.compile(r"\bwarning\b|\berror\b", re.I)


def build(source, series, out):
    """Builds all modules of a folder for a series; returns the paths of the .ko files in `out`."""
    if not any((source / name).is_file() for name in ("Kbuild", "Makefile")):
        raise log.Failed(f"{source} has neither Kbuild nor Makefile: no module to build")
    on_host = series in [*guest_kernel.BOOTED, guest_kernel.DEBUG]
    kernel = guest_kernel.fetch(series) if on_host else trixie.kernel(series)

    def current_key():
        return cache.key(series, kernel.release, source.name, source, SPEC, Path(__file__))
    key = current_key()
    made = cache.root() / "module" / key
    if not made.is_dir():
        work = out.parent / f".{out.name}-build"
        work.mkdir(parents=True, exist_ok=True)
        with open(work / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            key = cache.settled(current_key, lambda: _compile(source, series, kernel, work, on_host))
            made = cache.entry("module", key, lambda folder: _collect(work / source.name, folder))
    return _deliver(made, out)


def _compile(source, series, kernel, work, on_host):
    log.step(f"compiling {source.name} for {kernel.release}")
    _copy_sources(source, work)
    command = ["nice", "make", "-C", kernel.kdir, f"M={work / source.name}", f"-j{os.cpu_count()}", "modules"]
    logfile = paths.LOGS / f"module-{series}-{source.name}.log"
    try:
        if on_host:
            log.run(command, logfile, f"the build for {kernel.release}")
        else:
            trixie.run(kernel, work, command, logfile)
        _refuse_warnings(logfile)
    except BaseException:
        # Objects that were compiled with a warning would pass unseen next time.
        shutil.rmtree(work / source.name, ignore_errors=True)
        raise


def _copy_sources(source, work):
    """Brings the copy up to date; starts afresh when a file has gone or come."""
    names = "\n".join(str(file.relative_to(source)) for file in cache.files_below(source))
    listing = work / "names"
    if not listing.exists() or listing.read_text() != names:
        shutil.rmtree(work / source.name, ignore_errors=True)
    for folder in (source, SPEC):
        subprocess.run(["rsync", "-r", "--links", "--checksum", f"{folder}/", f"{work / folder.name}/"], check=True)
    listing.write_text(names)


def _refuse_warnings(logfile):
    lines = [line for line in logfile.read_text(errors="replace").splitlines()
             if COMPLAINT.search(line) and not any(known.search(line) for known in KNOWN)]
    if lines:
        raise log.Failed("the compiler, objtool or modpost warned; log: " + "\n".join([str(logfile), *lines]))


def _collect(built, folder):
    modules = sorted(built.glob("*.ko"))
    if not modules:
        raise log.Failed(f"the build in {built} made no .ko")
    for module in modules:
        shutil.copy2(module, folder)
        # As distributions ship them: in an initramfs 6 MiB of debug information are as much less fast memory.
        subprocess.run(["strip", "--strip-debug", folder / module.name], check=True)


def _deliver(made, out):
    out.mkdir(parents=True, exist_ok=True)
    modules = []
    for module in sorted(made.glob("*.ko")):
        target = out / module.name
        if not target.exists() or target.read_bytes() != module.read_bytes():
            with tempfile.NamedTemporaryFile(dir=out, prefix=".", delete=False) as draft:
                shutil.copy2(module, draft.name)
            os.replace(draft.name, target)  # at once: others may be packing it into an image
        modules.append(target)
    return modules
