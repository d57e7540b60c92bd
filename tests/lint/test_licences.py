#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file names its licence where it belongs, the licence's text is in LICENSES/, and the module says GPL."""

import re

import tree

TAG = re.compile(r"SPDX-License-Identifier: (\S+)")
DEFAULT = "GPL-2.0-or-later"
OTHER = {"spec/virtio_tiermem.h": "BSD-3-Clause"}
# Formats without comments (the kernel's Documentation/ABI, and Debian's changelog, copyright, source format and list
# for dh_dkms are among them), texts that are a licence, files whose first bytes are input of a program, and patches,
# which are under the licences of the files that they change.
WITHOUT = ("*.json", "*.patch", "LICENSES/*", "*.bin", "*.png", "*.svg", ".gitignore", "tests/fuzz/corpus/*",
           "*/Documentation/ABI/*/*", "debian/changelog", "debian/copyright", "debian/source/format", "debian/*.dkms")


def licensed():
    """Files that can carry a licence."""
    return [path for path in tree.files() if not any(path.match(pattern) for pattern in WITHOUT)]


def line_of_licence(path):
    """The first line, or the second where the first tells the kernel which interpreter to run."""
    lines = tree.text(path).splitlines() or [""]
    return lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]


def identifier(path):
    """The licence of a file's first line, or an empty string."""
    found = TAG.search(line_of_licence(path))
    return found[1] if found else ""


def test_every_file_names_its_licence_first():
    assert licensed() and [str(path) for path in licensed() if not identifier(path)] == []


def test_the_licence_is_the_agreed_one():
    wrong = [f"{path}: {identifier(path)}" for path in licensed()
             if identifier(path) not in ("", OTHER.get(str(path), DEFAULT))]
    assert wrong == []


def test_every_licence_has_its_text():
    used = {identifier(path) for path in licensed()} - {""}
    assert used and [name for name in used if not (tree.TOP / "LICENSES" / f"{name}.txt").is_file()] == []


def test_every_licence_text_is_used():
    used = {identifier(path) for path in licensed()}
    assert [path.name for path in tree.below("LICENSES") if path.stem not in used] == []


def test_modules_declare_the_gpl():
    driver = tree.below("guest-virtio-driver")
    modules = [path for path in driver if re.search(r"\bmodule_(?:init|virtio_driver)\(", tree.text(path))]
    declared = re.compile(r'^MODULE_LICENSE\("GPL(?: v2)?"\);', re.M)
    assert modules, "no module found below guest-virtio-driver/"
    folders = {path.parent for path in modules}
    missing = [str(folder) for folder in folders
               if not any(path.parent == folder and declared.search(tree.text(path)) for path in driver)]
    assert missing == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
