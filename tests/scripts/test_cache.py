# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache: complete entries or none, keys over contents, and no result under the key of other inputs."""

import os
import time

import pytest

from tiermem_build import cache, log


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TIERMEM_CACHE", str(tmp_path / "cache"))


def test_an_entry_is_made_once():
    made = []
    for _ in range(2):
        folder = cache.entry("kind", "name", lambda place: made.append((place / "file").write_text("x")))
    assert len(made) == 1 and (folder / "file").read_text() == "x"


def test_an_entry_that_fails_leaves_nothing():
    with pytest.raises(ZeroDivisionError):
        cache.entry("kind", "name", lambda place: 1 / 0)
    assert list((cache.root() / "kind").iterdir()) == []


def test_an_archives_old_time_does_not_make_an_entry_unused():
    def make(place):
        os.utime(place, (0, 0))
    assert cache.entry("kind", "name", make).is_dir()


def test_what_is_unused_goes():
    old = cache.entry("kind", "old", lambda place: None)
    os.utime(old, (time.time() - 86400 * (cache.UNUSED_DAYS + 1),) * 2)
    cache.entry("kind", "new", lambda place: None)
    assert not old.exists()


def test_the_most_recently_used_stay():
    entries = [cache.entry("kind", str(number), lambda place: None) for number in range(cache.KEPT + 3)]
    for age, entry in enumerate(entries):
        os.utime(entry, (time.time() - cache.SPARED - 60 * (age + 1),) * 2)
    cache.entry("kind", "new", lambda place: None)
    assert [entry.exists() for entry in entries] == [True] * (cache.KEPT - 1) + [False] * 4


def test_what_is_in_use_stays_however_much_there_is():
    entries = [cache.entry("kind", str(number), lambda place: None) for number in range(cache.KEPT + 3)]
    assert all(entry.exists() for entry in entries)


def test_a_key_is_over_names_modes_and_contents(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("1")
    keys = {cache.key(tree)}
    assert cache.key(tree) in keys
    for change in (lambda: (tree / "a").write_text("2"), lambda: (tree / "a").rename(tree / "b"),
                   lambda: (tree / "b").chmod(0o755), lambda: (tree / "c").symlink_to("b")):
        change()
        assert cache.key(tree) not in keys
        keys.add(cache.key(tree))


def test_a_build_is_repeated_while_its_inputs_change():
    states = iter(["a", "b", "b", "b"])
    runs = []
    assert cache.settled(lambda: next(states), lambda: runs.append(1)) == "b" and len(runs) == 2


def test_a_build_whose_inputs_never_rest_fails():
    count = iter(range(100))
    with pytest.raises(log.Failed, match="changed"):
        cache.settled(lambda: next(count), lambda: None)
