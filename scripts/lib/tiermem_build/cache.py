# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache: folders named by a key over everything that went into them.

An entry is either complete or absent: it is made in a folder beside it and renamed. Several
checkouts may use one cache at once; whoever comes second waits for the lock and finds the entry.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from . import log

TRIES = 4  # of a build whose inputs change while it runs
UNUSED_DAYS = 14  # an entry that nobody asked for this long is removed
KEPT = 8  # entries of a kind that stay anyway; of what is beyond them,
SPARED = 3600  # those used within so many seconds stay too: somebody may be at work with them


def root():
    """The cache folder: TIERMEM_CACHE, or virtio-tiermem in the user's cache folder."""
    base = os.environ.get("TIERMEM_CACHE")
    if not base:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virtio-tiermem"
    path = Path(base).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def files_below(path):
    """All files of a folder in a fixed order, or the file itself; caches of Python left out."""
    path = Path(path)
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(file for file in path.rglob("*")
                  if (file.is_file() or file.is_symlink()) and "__pycache__" not in file.parts)


def _file_digest(file):
    if file.is_symlink():
        return "-> " + os.readlink(file)
    executable = "x" if os.access(file, os.X_OK) else "-"
    return executable + hashlib.sha256(file.read_bytes()).hexdigest()


def key(*parts):
    """A key over texts and, for each Path, the names, modes and contents of the files below it."""
    digest = hashlib.sha256()
    for part in parts:
        if not isinstance(part, Path):
            digest.update(repr(part).encode())
            continue
        for file in files_below(part):
            name = file.relative_to(part) if part.is_dir() else part.name
            digest.update(f"{name}\0{_file_digest(file)}\n".encode())
    return digest.hexdigest()[:24]


@contextlib.contextmanager
def locked(name):
    """Holds the cache's lock of this name; waits for it."""
    folder = root() / "locks"
    folder.mkdir(exist_ok=True)
    with open(folder / name.replace("/", "_"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def settled(current_key, work):
    """Does work() until its inputs are the same after as before; returns their key. Whoever edits while a build runs
    would otherwise leave a result under the key of other files."""
    for _ in range(TRIES):
        before = current_key()
        work()
        if current_key() == before:
            return before
        log.step("files have changed in the meantime: once more")
    raise log.Failed(f"files have changed during each of {TRIES} builds")


def entry(kind, name, make):
    """The folder `kind`/`name`; if absent, make(folder) fills it first."""
    final = root() / kind / name
    if not final.is_dir():
        with locked(f"{kind}-{name}"):
            if not final.is_dir():
                _make(final, make)
                _forget_unused(final.parent)
    os.utime(final)
    return final


def _make(final, make):
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=final.parent))
    draft.chmod(0o755)
    try:
        make(draft)
        os.utime(draft)  # unpacking an archive may have set it to the archive's time
        draft.rename(final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _forget_unused(folder):
    """Removes entries that are old, and those beyond the most recently used."""
    now = time.time()
    ages = []
    for made in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            if not made.name.startswith(".draft-"):
                ages.append((now - made.stat().st_mtime, made))
    ages.sort()
    for rank, (age, old) in enumerate(ages):
        if age > UNUSED_DAYS * 86400 or (rank >= KEPT and age > SPARED):
            shutil.rmtree(old, ignore_errors=True)
