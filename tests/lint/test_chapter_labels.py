#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each normative sentence of the chapter has a label that is unique, listed for conformance, and cited by a test."""

import re
from collections import Counter

import tree

LABEL = re.compile(r"TM-(?:DEV|DRV)-[A-Z]+-\d+\b")
STATEMENT = re.compile(r"\*\*\[(TM-[^\]]*)\]\*\* (.*)", re.S)
KEYWORD = re.compile(r"\b(MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)\b")
LISTS = {"DRV": "### Driver Conformance", "DEV": "### Device Conformance"}


def body():
    """The chapter up to its conformance lists."""
    return tree.text(tree.CHAPTER).split("\n## Conformance\n")[0]


def statements():
    """(label, sentence) of each labelled paragraph."""
    found = (STATEMENT.fullmatch(paragraph.strip()) for paragraph in body().split("\n\n"))
    return [(match[1], " ".join(match[2].split())) for match in found if match]


def conformance(kind):
    """The labels of one conformance list."""
    section = tree.text(tree.CHAPTER).split(LISTS[kind] + "\n")[1].split("\n#")[0]
    return re.findall(r"^\* (\S+)$", section, re.M)


def citations():
    """All labels in the tests, each with the files that cite it."""
    cited = {}
    for path in tree.below("tests", "qemu-device/tests"):
        if not path.is_relative_to("tests/lint"):
            for label in LABEL.findall(tree.text(path)):
                cited.setdefault(label, set()).add(str(path))
    return cited


def test_labels_are_well_formed():
    wrong = [label for label, _ in statements() if not LABEL.fullmatch(label)]
    assert statements() and not wrong


def test_labels_are_unique():
    assert [label for label, count in Counter(label for label, _ in statements()).items() if count > 1] == []


def test_labels_are_numbered_without_gaps():
    numbers = {}
    for label, _ in statements():
        area, number = label.rsplit("-", 1)
        numbers.setdefault(area, []).append(int(number))
    assert {area: found for area, found in numbers.items() if found != list(range(1, len(found) + 1))} == {}


def test_a_statement_is_one_normative_sentence():
    wrong = [label for label, sentence in statements()
             if len(KEYWORD.findall(sentence)) != 1 or sentence.count(". ") or not sentence.endswith(".")]
    assert wrong == []


def test_nothing_normative_stands_without_a_label():
    loose = [paragraph for paragraph in body().split("\n\n")
             if KEYWORD.search(paragraph) and not STATEMENT.fullmatch(paragraph.strip())]
    assert loose == []


def test_the_subject_of_a_statement_is_that_of_its_label():
    subject = {"TM-DRV": "The driver ", "TM-DEV": "The device "}
    assert [label for label, sentence in statements() if not sentence.startswith(subject[label[:6]])] == []


def test_every_label_is_in_its_conformance_list():
    for kind in LISTS:
        stated = [label for label, _ in statements() if label.startswith(f"TM-{kind}-")]
        assert Counter(conformance(kind)) == Counter(stated), f"conformance list of TM-{kind}"


def test_every_status_is_reached_by_a_statement():
    statuses = re.findall(r"#define VIRTIO_TIERMEM_(S_\w+)", tree.text(tree.HEADER))
    of_device = " ".join(sentence for label, sentence in statements() if label.startswith("TM-DEV-"))
    assert statuses and [status for status in statuses if f"`{status}`" not in of_device] == []


def test_tests_cite_only_labels_that_exist():
    known = {label for label, _ in statements()}
    assert {label: files for label, files in citations().items() if label not in known} == {}


def test_every_label_is_cited_by_a_test():
    uncited = [label for label, _ in statements() if label not in citations()]
    assert not uncited, f"{len(uncited)} statements that no test cites: {', '.join(uncited)}"


if __name__ == "__main__":
    tree.run_directly(__file__, __doc__)
