# SPDX-License-Identifier: GPL-2.0-or-later
"""The result of one test, and how JUnit files say it."""

import xml.etree.ElementTree as xml
from dataclasses import dataclass

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Outcome:
    """`detail` is why a test failed or was skipped; `first_failure` why it failed beside other tests, if it passed when
    it was then run alone."""
    name: str
    state: str
    detail: str = ""
    first_failure: str = ""


def from_junit(file):
    """Outcomes of all tests in a JUnit file, as meson and pytest write it. A test that passed and then failed to
    clean up stands there twice: it has failed."""
    found = {}
    for outcome in map(_outcome, xml.parse(file).iter("testcase")):
        if outcome.name not in found or outcome.state == FAILED:
            found[outcome.name] = outcome
    return list(found.values())


def _outcome(case):
    name = "/".join(part for part in (case.get("classname"), case.get("name")) if part)
    for tag in ("failure", "error"):
        found = case.find(tag)
        if found is not None:
            return Outcome(name, FAILED, _text(found) or _text(case.find("system-err")))
    found = case.find("skipped")
    return Outcome(name, PASSED) if found is None else Outcome(name, SKIPPED, _text(found) or "no reason given")


def _text(element):
    if element is None:
        return ""
    return "\n".join(part for part in (element.get("message"), element.text) if part).strip()
