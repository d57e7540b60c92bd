# SPDX-License-Identifier: GPL-2.0-or-later
"""How QEMU's tree is composed: nothing is written that has not changed, nothing is left of what has gone."""

import pytest

from tiermem_build import log, qemu_tree

PATCH = """--- a/known.c
+++ b/known.c
@@ -1,2 +1,2 @@
 one
-two
+{}
"""


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device folder with one new file and one patch, and a pristine tree with known.c and other.c."""
    device, pristine = tmp_path / "device", tmp_path / "pristine"
    for folder in (device / "hw", device / "patches", device / "plugins", pristine / "hw"):
        folder.mkdir(parents=True)
    (pristine / "known.c").write_text("one\ntwo\n")
    (pristine / "other.c").write_text("other\n")
    (device / "hw/new.c").write_text("new\n")
    (device / "plugins/plugin.c").write_text("not for QEMU\n")
    (device / "patches/10-a.patch").write_text("A word on why.\n\n" + PATCH.format("three"))
    monkeypatch.setattr(qemu_tree, "DEVICE", device)
    monkeypatch.setattr(qemu_tree, "PATCHES", device / "patches")
    monkeypatch.setattr(qemu_tree, "SPEC", tmp_path / "absent")
    return device, pristine, tmp_path / "tree"


def times(tree):
    return {path.name: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file()}


def test_patches_and_new_files_are_in_the_tree(device):
    _, pristine, tree = device
    qemu_tree.update(pristine, tree)
    assert (tree / "known.c").read_text() == "one\nthree\n" and (tree / "hw/new.c").read_text() == "new\n"
    assert not (tree / "plugins").exists() and (pristine / "known.c").read_text() == "one\ntwo\n"


def test_nothing_is_written_again(device):
    folder, pristine, tree = device
    qemu_tree.update(pristine, tree)
    before = times(tree)
    (folder / "hw/new.c").write_text("newer\n")
    qemu_tree.update(pristine, tree)
    after = times(tree)
    assert [name for name in after if after[name] != before[name]] == ["new.c"]


def test_what_goes_is_restored_or_removed(device):
    folder, pristine, tree = device
    qemu_tree.update(pristine, tree)
    (folder / "hw/new.c").unlink()
    (folder / "patches/10-a.patch").unlink()
    qemu_tree.update(pristine, tree)
    assert (tree / "known.c").read_text() == "one\ntwo\n" and not (tree / "hw/new.c").exists()


def test_patches_to_one_file_add_up(device):
    folder, pristine, tree = device
    (folder / "patches/20-b.patch").write_text(PATCH.format("four").replace("-two", "-three"))
    qemu_tree.update(pristine, tree)
    assert (tree / "known.c").read_text() == "one\nfour\n"


def test_a_patch_that_does_not_apply_is_named(device):
    folder, pristine, tree = device
    (folder / "patches/20-b.patch").write_text(PATCH.format("four"))
    with pytest.raises(log.Failed, match="20-b.patch does not apply"):
        qemu_tree.update(pristine, tree)


def test_a_new_file_must_be_new(device):
    folder, pristine, tree = device
    (folder / "hw/known.c").write_text("")
    (pristine / "hw/known.c").write_text("")
    with pytest.raises(log.Failed, match="hw/known.c exists in QEMU already"):
        qemu_tree.update(pristine, tree)
