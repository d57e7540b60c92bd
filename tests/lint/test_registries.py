#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No file names the host of a package registry: scripts take mirrors from the machine's own configuration."""

import re
import subprocess
from urllib.parse import urlsplit

import pytest

import tree

# Written in pieces, so that this file is no exception to what it checks.
REGISTRIES = [".".join(parts) for parts in (
    ("deb", "debian", "org"), ("ftp", "debian", "org"), ("security", "debian", "org"),
    ("snapshot", "debian", "org"), ("cloud", "debian", "org"), ("archive", "ubuntu", "com"),
    ("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"),
    ("crates", "io"), ("proxy", "golang", "org"), ("rubygems", "org"), ("registry", "hub", "docker", "com"),
    ("download", "qemu", "org"), ("cdn", "kernel", "org"))]


def named(hosts):
    """Where the tree names one of the hosts."""
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(host)}(?![\w-])" for host in hosts), re.I)
    return tree.places(pattern, tree.files())


def mirrors_of_this_machine():
    """Hosts of the machine's apt configuration."""
    try:
        listing = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], text=True,
                                 stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {urlsplit(uri).hostname for uri in listing.split()} - {None, "localhost"}


def test_no_well_known_registry_is_named():
    assert named(REGISTRIES) == []


def test_no_mirror_of_this_machine_is_named():
    hosts = mirrors_of_this_machine()
    if not hosts:
        pytest.skip("apt on this machine names no mirror")
    assert named(hosts) == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
