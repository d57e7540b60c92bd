# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's source tree with this project's device in it.

    pristine (Debian's source package, or the user's checkout)
      + qemu-device/patches/*.patch, in the order of their names
      + qemu-device/{hw,include,...}: each file at the path that it has in QEMU's tree
      + spec/virtio_tiermem.h at include/standard-headers/linux/
      = the tree

Only files that patches or overlay touch are ever written again, and only when their content differs:
their times stay, so ninja rebuilds what has really changed.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cache, log, paths, suites

DEVICE = paths.TOP / "qemu-device"
PATCHES = DEVICE / "patches"
SPEC = paths.TOP / "spec" / "virtio_tiermem.h"
SPEC_IN_QEMU = Path("include/standard-headers/linux/virtio_tiermem.h")
NOT_OVERLAID = {"patches", "plugins"}
SUITE = "trixie"
# Firmware sources: nothing here builds them, and they are two thirds of the tree.
LEFT_OUT = ["/roms/*", "/.git", "/.pc", "/debian"]


def debian_source():
    """The unpacked source package of QEMU, in the cache."""
    suite = suites.Suite(SUITE)
    version = suite.source_version("qemu")
    made = cache.entry("qemu-source", version.replace(":", "_"), lambda folder: _fetch(suite, version, folder))
    return made / "source"


def _fetch(suite, version, folder):
    log.step(f"fetching Debian's QEMU {version}")
    suite.unpack_source("qemu", folder)


def source(folder=None):
    """The pristine tree: the user's if named, else Debian's."""
    if folder is None:
        return debian_source()
    tree = Path(folder).resolve()
    if not (tree / "VERSION").is_file() or not (tree / "hw/virtio").is_dir():
        raise log.Failed(f"--src / QEMU_SRC: {tree} is no QEMU source tree")
    return tree


def source_key(source):
    """What identifies a pristine tree: Debian's version, a git state, or else names, sizes and times."""
    if source.parent.parent == cache.root() / "qemu-source":
        return source.parent.name
    if (source / ".git").exists():
        return _git_state(source)
    return cache.key(*[f"{file} {file.lstat().st_size} {file.lstat().st_mtime_ns}"
                       for file in cache.files_below(source)])


def _git_state(source):
    def git(*words):
        return subprocess.run(["git", "-C", source, *words], check=True, stdout=subprocess.PIPE).stdout
    untracked = git("ls-files", "--others", "--exclude-standard", "-z").decode().split("\0")
    return cache.key(str(source), git("rev-parse", "HEAD"), git("diff", "HEAD"),
                     *[source / name for name in untracked if name])


def overlay():
    """{path in QEMU's tree: our file} of all new files."""
    files = {SPEC_IN_QEMU: SPEC} if SPEC.exists() else {}
    for folder in sorted(DEVICE.iterdir()):
        if folder.is_dir() and folder.name not in NOT_OVERLAID:
            files.update({file.relative_to(DEVICE): file for file in cache.files_below(folder)})
    return files


def patches():
    """Our patches to existing QEMU files, in order."""
    return sorted(PATCHES.glob("*.patch"))


def ours_key():
    """What identifies our part of the tree."""
    return cache.key(*[str(path) for path in overlay()], *overlay().values(), *patches())


def patched_files(patch):
    """Paths in QEMU's tree that a patch touches."""
    names = re.findall(r"^(?:---|\+\+\+) [ab]/([^\t\n]+)", patch.read_text(), re.M)
    return sorted({Path(name) for name in names})


def update(pristine, tree):
    """Brings `tree` to pristine + patches + overlay; touches only files whose content changes."""
    state = tree.parent / (tree.name + ".state.json")
    key = source_key(pristine)
    old = json.loads(state.read_text()) if state.exists() else {}
    if old.get("source") != key:
        log.step("copying QEMU's source")
        copy_pristine(pristine, tree)
        old = {"touched": old.get("touched", [])}
    with tempfile.TemporaryDirectory(dir=tree.parent) as draft:
        touched = _compose(pristine, Path(draft))
        subprocess.run(["rsync", "-r", "--links", "--perms", "--checksum", f"{draft}/", f"{tree}/"], check=True)
    _restore(pristine, tree, [Path(name) for name in old["touched"]
                              if Path(name) not in touched] if old else [])
    state.write_text(json.dumps({"source": key, "touched": sorted(map(str, touched))}))


def copy_pristine(pristine, tree):
    """Makes `tree` what the pristine one is, but for what nothing here needs."""
    tree.mkdir(parents=True, exist_ok=True)
    excludes = [f"--exclude={name}" for name in LEFT_OUT]
    subprocess.run(["rsync", "-a", "--checksum", "--delete", *excludes, f"{pristine}/", f"{tree}/"], check=True)


def _compose(pristine, draft):
    """Writes all touched files in their final state to `draft`; returns their paths."""
    for patch in patches():
        for path in patched_files(patch):
            _take(pristine / path, draft / path)
        apply(patch, draft)
    for path, file in overlay().items():
        if (pristine / path).exists():
            raise log.Failed(f"qemu-device/{path} exists in QEMU already: change it by a patch in qemu-device/patches")
        _take(file, draft / path)
    return {file.relative_to(draft) for file in cache.files_below(draft)}


def _take(source, target):
    """Copies a file unless an earlier patch has brought it here already."""
    if source.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def apply(patch, folder):
    """Applies a patch below a folder, exactly as it is."""
    done = subprocess.run(["patch", "-p1", "--force", "--fuzz=0", "--no-backup-if-mismatch", "-i", patch],
                          cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise log.Failed(f"{patch.name} does not apply:\n{done.stdout}")


def _restore(pristine, tree, files):
    """Puts back files that are no longer touched, and removes those that were ours alone."""
    for path in files:
        if (pristine / path).exists():
            shutil.copy(pristine / path, tree / path)
        else:
            (tree / path).unlink(missing_ok=True)


def tests():
    """Our tests among the new files: tests/qtest/*-test.c and tests/unit/test-*.c."""
    return sorted(str(path) for path in overlay() if path.match("tests/qtest/*-test.c") or path.match("tests/unit/test-*.c"))
