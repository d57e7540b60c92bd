# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs that have been finished, so that an interrupted bench goes on where it was.

Files in the cache, each named by a key over all that decides the result: programs, set-up, sizes, seed. A run is
written when it is whole, at once.
"""

import contextlib
import json
import os
import tempfile
import time

from tiermem_build import cache

KEPT_DAYS = 14


def folder():
    """Where they are."""
    path = cache.root() / "tiering-runs"
    path.mkdir(exist_ok=True)
    return path


def load(key):
    """The run of this key, or None. A file that is not whole counts as none."""
    file = folder() / f"{key}.json"
    try:
        run = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    os.utime(file)
    return run


def save(key, run):
    """Keeps a run; forgets those that nobody has asked for in a long time."""
    with tempfile.NamedTemporaryFile("w", dir=folder(), prefix=".draft-", delete=False) as draft:
        json.dump(run, draft)
    os.replace(draft.name, folder() / f"{key}.json")
    for old in folder().iterdir():
        with contextlib.suppress(FileNotFoundError):  # a draft that another thread has just given its name
            if time.time() - old.stat().st_mtime > KEPT_DAYS * 86400:
                old.unlink()
