#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the chapter repeats of the header (structures, numbers, order of statuses) is what the header says."""

import re

import tree


def without_comments(source):
    """C source without comments and with single spaces."""
    return " ".join(re.sub(r"/\*.*?\*/", " ", source, flags=re.S).split())


def defines():
    """Name (less its prefix) -> text of each constant of the header."""
    source = re.sub(r"/\*.*?\*/", " ", tree.text(tree.HEADER), flags=re.S)
    found = re.findall(r"^#define VIRTIO_(?:TIERMEM_)?(\w+)[ \t]+(\S.*?)[ \t]*$", source, re.M)
    return {name: " ".join(value.split()) for name, value in found if "\\" not in value}


def structures(source):
    """Name -> members of each structure, with array sizes as numbers and types as in the chapter."""
    source = re.sub(r"VIRTIO_TIERMEM_(\w+)", lambda match: defines().get(match[1], match[0]), source)
    found = re.findall(r"struct (virtio_tiermem_\w+) \{(.*?)\};", without_comments(source).replace("__le", "le"))
    return {name: members.split() for name, members in found}


def test_structures_are_those_of_the_header():
    blocks = "\n".join(re.findall(r"```c\n(.*?)```", tree.text(tree.CHAPTER), re.S))
    assert structures(tree.text(tree.HEADER)) and structures(blocks) == structures(tree.text(tree.HEADER))


def test_numbers_in_definitions_are_those_of_the_header():
    in_chapter = re.findall(r"^#define VIRTIO_TIERMEM_(\w+)\s+(.*)$", tree.text(tree.CHAPTER), re.M)
    assert in_chapter and [name for name, value in in_chapter if defines().get(name) != value] == []


def test_numbers_in_prose_are_those_of_the_header():
    prose = " ".join(tree.text(tree.CHAPTER).split())
    named = re.findall(r"`(?:VIRTIO_TIERMEM_)?([A-Z]\w+)` \((0x[0-9a-f]+|\d+)\)", prose)
    named += [(name, number) for number, name in re.findall(r"(\d+) \(`(MAX_\w+)`\)", prose)]
    assert len(named) >= 10 and [(name, number) for name, number in named if defines().get(name) != number] == []


def rows(prefix):
    """(number, name) of each table row whose name has this prefix, in order."""
    found = re.findall(rf"^\| (\d+) \| `({prefix}\w+)` \|", tree.text(tree.CHAPTER), re.M)
    return [(name, number) for number, name in found]


def test_tables_are_whole_and_in_order():
    for prefix in ("S_", "STAT_"):
        expected = [(name, value) for name, value in defines().items()
                    if name.startswith(prefix) and name != "STAT_NO_TIER"]
        assert expected and rows(prefix) == expected


def test_the_device_id_is_that_of_the_header():
    section = tree.text(tree.CHAPTER).split("## Device ID\n")[1].split("\n#")[0]
    assert re.search(r"\d+", section)[0] == defines()["ID_TIERMEM"]


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
