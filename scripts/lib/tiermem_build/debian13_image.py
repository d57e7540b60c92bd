# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian 13 with its own cloud kernel, headers, compiler and DKMS, in which our package (scripts/build-deb) has been
installed as a user would: DKMS compiles the driver with gcc-14, and the package's hook puts it into the initramfs.

In two steps, as debian_image: base (a tree, by mmdebstrap) and image.
"""

import os
import shutil
import subprocess
from pathlib import Path

from . import cache, debian_image, guest_kernel, log, paths, suites

SERIES = "6.12-trixie"
RELEASE = "trixie"
DRIVER = paths.TOP / "guest-virtio-driver"
BUILD_DEB = paths.TOP / "scripts/build-deb"
PACKAGES = ["systemd-sysv", "udev", "kmod", "initramfs-tools", "busybox", "zstd", "procps", "gcc-14", "g++-14", "g++", "dkms"]


def build():
    """{"kernel", "initrd", "disk"}"""
    suite = suites.Suite(guest_kernel.SERIES[SERIES])
    release = guest_kernel.header_packages(suite)[0]
    base = cache.entry("debian13-base", cache.key(release, _options(release)), lambda folder: _make_base(release, folder))
    key = cache.key(base.name, debian_image.GUEST, DRIVER, paths.TOP / "spec", BUILD_DEB, Path(debian_image.__file__),
                    Path(__file__))
    return debian_image.parts(cache.entry("debian13", key, lambda folder: _make(base, release, folder)))


def _options(release):
    """All but places: what decides about the base."""
    include = ",".join([*PACKAGES, f"linux-image-{release}", f"linux-headers-{release}"])
    return ["--variant=minbase", "--architectures=amd64", f"--include={include}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--customize-hook=systemctl --root $1 set-default multi-user.target",
            "--customize-hook=echo debian13 > $1/etc/hostname",
            "--customize-hook=: > $1/etc/machine-id",
            "--customize-hook=rm -rf $1/var/cache/apt/*.bin $1/var/lib/apt/lists/*_dists_*"]


def _make_base(release, folder):
    log.need_root("installing Debian into a folder")
    log.step(f"installing Debian 13 with kernel {release} (mmdebstrap)")
    archive, security = suites.mirrors()
    sources = [f"deb {archive} {name} main" for name in (RELEASE, f"{RELEASE}-updates")]
    sources += [f"deb {security} {RELEASE}-security main"] if security else []
    log.run(["nice", "mmdebstrap", *_options(release), RELEASE, folder / "tree.tar", *sources],
            paths.LOGS / "mmdebstrap-debian13.log", "mmdebstrap trixie", env={**os.environ, "INITRD": "No"})


def _make(base, release, folder):
    log.need_root("making the Debian 13 image")
    package = subprocess.run([BUILD_DEB], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    log.step(f"making the Debian 13 image: DKMS compiles the driver for {release}")
    tree = debian_image.unpack(base, folder)
    debian_image.install_agent(tree)
    # One is there as on any installed machine; our package has to renew it.
    debian_image.in_tree(tree, ["update-initramfs", "-c", "-k", release], "debian13-initramfs")
    shutil.copy2(package, tree / "tmp/driver.deb")
    debian_image.in_tree(tree, ["dpkg", "--install", "/tmp/driver.deb"], "debian13-dkms")
    debian_image.finish(tree, release, folder)
