# SPDX-License-Identifier: GPL-2.0-or-later
"""Our part of QEMU as a series for `git am`, divided as qemu-device/patches/series.toml says."""

import fnmatch
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import log, paths, qemu_tree

TABLE = qemu_tree.PATCHES / "series.toml"


@dataclass
class Unit:
    """One patch of the series."""
    message: str
    files: dict  # path in QEMU's tree: our file
    patches: list


def units():
    """The series; raises log.Failed when a file or patch of ours has no place in it, or two."""
    overlay, patches = qemu_tree.overlay(), {patch.name: patch for patch in qemu_tree.patches()}
    found, taken = [], []
    for entry in tomllib.loads(TABLE.read_text())["patch"]:
        files = {path: file for path, file in overlay.items() if _matches(str(path), entry.get("files", []))}
        ours = [patch for name, patch in patches.items() if _matches(name, entry.get("patches", []))]
        taken += [str(path) for path in files] + [patch.name for patch in ours]
        if files or ours:
            found.append(Unit(entry["message"].strip(), files, ours))
    everything = [str(path) for path in overlay] + list(patches)
    wrong = [name for name in everything if taken.count(name) != 1]
    if wrong:
        raise log.Failed(f"{TABLE.name} must name each file and patch once; it does not so for: {', '.join(wrong)}")
    return found


def _matches(name, globs):
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _git(folder, *words):
    return subprocess.run(["git", "-C", folder, *words], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def identity():
    """(name, address) of whoever exports, from git's configuration."""
    try:
        return tuple(_git(paths.TOP, "config", f"user.{name}") for name in ("name", "email"))
    except subprocess.CalledProcessError:
        raise log.Failed("git has no user.name or user.email: the patches need an author") from None


def export(pristine, folder):
    """Writes the series against a pristine tree into a folder; returns the files."""
    name, address = identity()
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place)
        _git(tree, "init", "--quiet")
        _git(tree, "config", "user.name", name)
        _git(tree, "config", "user.email", address)
        _commit_base(pristine, tree)
        base = _git(tree, "rev-parse", "HEAD")
        for unit in units():
            _commit_unit(unit, tree)
        folder.mkdir(parents=True, exist_ok=True)
        listing = _git(tree, "format-patch", "--no-signature", "--output-directory", folder.resolve(), base)
    return [Path(line) for line in listing.splitlines()]


def _commit_base(pristine, tree):
    for path in sorted({path for patch in qemu_tree.patches() for path in qemu_tree.patched_files(patch)}):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(pristine / path, tree / path)
    _git(tree, "add", "--all")
    _git(tree, "commit", "--quiet", "--allow-empty", "-m", "pristine")


def _commit_unit(unit, tree):
    for patch in unit.patches:
        qemu_tree.apply(patch, tree)
    for path, file in unit.files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, tree / path)
    _git(tree, "add", "--all")
    _git(tree, "commit", "--quiet", "--signoff", "-m", unit.message)


def verify(pristine, series):
    """Applies the series by `git am` to a fresh repository of the whole tree, and compares with what build-qemu
    composes."""
    name, address = identity()
    with tempfile.TemporaryDirectory() as place:
        applied, composed = Path(place) / "applied", Path(place) / "composed"
        qemu_tree.copy_pristine(pristine, applied)
        _git(applied, "init", "--quiet")
        _git(applied, "config", "user.name", name)
        _git(applied, "config", "user.email", address)
        _git(applied, "add", "--all", "--force")
        _git(applied, "commit", "--quiet", "-m", "pristine")
        _git(applied, "am", "--quiet", *series)
        shutil.rmtree(applied / ".git")
        qemu_tree.update(pristine, composed)
        done = subprocess.run(["diff", "-r", "-q", applied, composed], text=True, stdout=subprocess.PIPE)
        if done.returncode != 0:
            raise log.Failed(f"the series does not lead to the tree that is built:\n{done.stdout}")
