#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol is defined once: no constant, ID or structure of the header is defined anywhere else."""

import re

import tree

HEADER = tree.HEADER.relative_to(tree.TOP)
PROSE = (".md", ".rst", ".txt")
ID_PCI_MODERN = 0x1040  # PCI device IDs of modern devices begin here (virtio specification, PCI Device Discovery)


def constants():
    """Names of all constants of the header."""
    found = re.findall(r"^#define (VIRTIO_(?:TIERMEM|ID)_\w+)[ \t]+\S", tree.text(HEADER), re.M)
    return [name for name in found if "_ASSERT" not in name]


def device_id():
    """The virtio device ID."""
    return int(re.search(r"#define VIRTIO_ID_TIERMEM\s+(\d+)", tree.text(HEADER))[1])


def sources():
    """Every file of the tree that is not the header and not prose."""
    return [path for path in tree.files() if path != HEADER and path.suffix not in PROSE]


def test_no_constant_is_defined_again():
    names = "|".join(map(re.escape, constants()))
    assert len(constants()) > 30
    again = re.compile(rf"^\+?\s*#\s*define\s+({names})\b|\b({names})\s*=[^=]")
    assert tree.places(again, sources()) == []


def test_nothing_is_defined_under_the_names_of_the_protocol():
    """A constant of the protocol that the header lacks would be one that only one side knows."""
    other = re.compile(r"^\+?\s*#\s*define\s+VIRTIO_TIERMEM_(?:F|REQ|S|STAT|QOS|VQ)_\w+\s+\(?\d")
    assert tree.places(other, sources()) == []


def test_no_structure_is_defined_again():
    names = "|".join(re.findall(r"^struct (virtio_tiermem_\w+) \{", tree.text(HEADER), re.M))
    assert tree.places(re.compile(rf"\bstruct\s+({names})\s*\{{"), sources()) == []


def test_the_pci_id_is_nowhere_a_number():
    number = ID_PCI_MODERN + device_id()
    literal = re.compile(rf"(?i)\b(?:0x)?{number:04x}\b|\b{number}\b")
    assert tree.places(literal, sources()) == []


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
