# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's cloud kernels of a series with their headers, unpacked into the cache.

The newest package of the series is taken; nothing is installed on the host.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache, log, suites

SERIES = {  # name on the command line: the suite that carries it
    "6.1": "bookworm",
    "6.12": "bookworm-backports",
    "6.12-trixie": "trixie",
    "7": "trixie-backports",
}
BOOTED = ["6.1", "6.12"]  # the others' headers have tools for trixie, which do not run on bookworm
DEBUG = "debug"  # the debug kernel for tests, which is compiled here: see debug_kernel.py
META = "linux-headers-cloud-amd64"


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its release and where its parts are."""
    release: str
    root: Path

    @property
    def kdir(self):
        """What `make -C` takes to build a module."""
        return self.root / "usr/src" / f"linux-headers-{self.release}"

    @property
    def vmlinuz(self):
        """The kernel image."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self):
        """The folder that holds lib/modules/<release>'s content."""
        for place in ("lib/modules", "usr/lib/modules"):
            if (self.root / place / self.release).is_dir():
                return self.root / place / self.release
        raise log.Failed(f"no modules of {self.release} below {self.root}")


def header_packages(suite):
    """(release, version, packages that hold the headers) of the suite's newest cloud kernel."""
    return suite.remembered("kernel-headers", lambda: _header_packages(suite))


def _header_packages(suite):
    pattern = re.compile(r"linux-headers-(\d.*-cloud-amd64)")
    headers = next((name for name in _closure(suite, META) if pattern.fullmatch(name)), None)
    if headers is None:
        raise log.Failed(f"{suite.name}: {META} leads to no versioned package")
    needed = [name for name in _closure(suite, headers) if re.match(r"linux-(headers|kbuild)-", name)]
    release = pattern.fullmatch(headers).group(1)
    return release, suite.show(headers)["Version"], sorted({headers, *needed})


def _closure(suite, package):
    """A package and what it depends on within the kernel's own packages, nearest first."""
    found = [package]
    for name in found:
        found += [other for other in suite.depends(name)
                  if re.match(r"linux-(headers|kbuild|base)-", other) and other not in found]
    return found


def image_packages(suite, release):
    """Packages of the kernel image and its modules; newer releases split them."""
    return suite.remembered(f"kernel-image-{release}", lambda: _image_packages(suite, release))


def _image_packages(suite, release):
    names = suite.names(rf"linux-(image|binary|modules)-{re.escape(release)}")
    if f"linux-image-{release}" not in names:
        raise log.Failed(f"{suite.name} has no linux-image-{release}")
    return names


def fetch(series):
    """The Kernel of a series, or the debug kernel."""
    if series == DEBUG:
        from . import debug_kernel
        return debug_kernel.kernel()
    if series not in SERIES:
        raise log.Failed(f"unknown kernel series {series}; known: {', '.join([*SERIES, DEBUG])}")
    suite = suites.Suite(SERIES[series])
    release, version, headers = header_packages(suite)
    packages = [*headers, *image_packages(suite, release)]

    def make(folder):
        log.step(f"fetching kernel {release} ({version})")
        suite.unpack(packages, folder)
        _make_movable(folder)
        _index_modules(folder, release)

    return Kernel(release, cache.entry("kernel", cache.key(release, version, packages, Path(__file__)), make))


def _make_movable(folder):
    """Replaces the absolute paths in the headers' makefiles by ones relative to the makefile."""
    for makefile in folder.glob("usr/src/linux-headers-*/Makefile"):
        text = makefile.read_text()
        if len(text) < 2000 and "/usr/src/" in text:
            makefile.write_text(text.replace("/usr/src/", "$(dir $(lastword $(MAKEFILE_LIST)))../"))


def _index_modules(folder, release):
    """modules.dep and modules.alias; packages leave them to their installation scripts."""
    if not (folder / "lib").exists() and (folder / "usr/lib/modules").is_dir():
        (folder / "lib").symlink_to("usr/lib")
    subprocess.run(["/sbin/depmod", "-b", folder, release], check=True)
