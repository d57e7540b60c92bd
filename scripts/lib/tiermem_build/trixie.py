# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian 13 tree in the cache in which modules for its kernels are compiled with its compiler.

Its libraries and tools are only ever used through chroot; the host's root is not touched.
"""

import subprocess

from . import cache, guest_kernel, log, paths, suites


def kernel(series):
    """The Kernel of a series inside its tree (paths as the host sees them)."""
    suite = suites.Suite(guest_kernel.SERIES[series])
    release, version, headers = guest_kernel.header_packages(suite)
    options = _mmdebstrap_options(suite, headers)
    root = cache.entry("trixie-tree", cache.key(version, options), lambda folder: _make_tree(suite, options, folder))
    return guest_kernel.Kernel(release, root)


def _sources(suite):
    """apt lines for trixie and, on top, the suite of the kernel."""
    archive, security = suites.mirrors()
    lines = [f"deb {archive} {name} main" for name in dict.fromkeys(["trixie", "trixie-updates", suite.name])]
    return lines + ([f"deb {security} trixie-security main"] if security else [])


def _mmdebstrap_options(suite, headers):
    """All but places: what decides about the result."""
    # The compiler is the one the headers ask for; g++ of the same version builds the C++ part of the driver.
    wanted = suite.remembered("kernel-compilers", lambda: [name for package in headers for name in suite.depends(package)])
    compilers = sorted({name.replace("gcc", "g++") for name in wanted if name.startswith("gcc-") and name[4:].isdigit()})
    include = ",".join([*headers, "make", *(compilers or ["g++"])])
    return ["--variant=apt", "--architectures=amd64", f"--include={include}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]


def _make_tree(suite, options, folder):
    log.need_root("making a Debian 13 tree")
    log.step(f"making a Debian 13 tree for the kernel of {suite.name}")
    log.run(["nice", "mmdebstrap", *options, "trixie", folder, *_sources(suite)],
            paths.LOGS / f"mmdebstrap-{suite.name}.log", "mmdebstrap trixie")


def run(kernel, work, command, logfile):
    """Runs a build command that names host paths inside the tree, on a copy of `work`."""
    with cache.locked(f"trixie-tree-{kernel.root.name}"):
        _run(kernel, work, command, logfile)


def _run(kernel, work, command, logfile):
    inside = kernel.root / "build" / work.name
    inside.mkdir(parents=True, exist_ok=True)
    subprocess.run(["rsync", "-a", "--delete", f"{work}/", f"{inside}/"], check=True)
    words = [str(word).replace(str(work), f"/build/{work.name}").replace(str(kernel.root), "") for word in command]
    try:
        # objtool wants /proc; the mount lives and dies with the command.
        log.run(["unshare", "--mount", "--pid", "--fork", f"--mount-proc={kernel.root}/proc",
                 "chroot", kernel.root, *words], logfile, f"the build for {kernel.release}")
    finally:
        subprocess.run(["rsync", "-a", f"{inside}/", f"{work}/"], check=True)
