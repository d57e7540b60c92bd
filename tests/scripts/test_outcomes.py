# SPDX-License-Identifier: GPL-2.0-or-later
"""What the test runner makes of machine-readable results: nothing that failed may count as passed."""

import subprocess

import pytest

from tiermem_test import main, pytest_suite, qtest_suite
from tiermem_test.outcome import FAILED, PASSED, SKIPPED, Outcome, from_junit


def junit(tmp_path, cases):
    file = tmp_path / "junit.xml"
    file.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return from_junit(file)


@pytest.mark.parametrize("inside, state, detail", [
    ("", PASSED, ""), ("<failure message='m'>t</failure>", FAILED, "m\nt"), ("<error message='e'/>", FAILED, "e"),
    ("<skipped message='no pages'/>", SKIPPED, "no pages"), ("<skipped/>", SKIPPED, "no reason given"),
    ("<failure/><system-err>last words</system-err>", FAILED, "last words"),
])
def test_a_case_is_read(tmp_path, inside, state, detail):
    assert junit(tmp_path, f"<testcase classname='c' name='n'>{inside}</testcase>") == [Outcome("c/n", state, detail)]


def test_a_test_that_fails_to_clean_up_counts_once_as_failed(tmp_path):
    cases = "<testcase name='n'/><testcase name='n'><error message='left a mess'/></testcase>"
    assert junit(tmp_path, cases) == [Outcome("n", FAILED, "left a mess")]


def qtest(tmp_path, output, status=0):
    log = tmp_path / "log"
    log.write_text("")
    done = subprocess.CompletedProcess([], status, stdout=output)
    return [(outcome.name, outcome.state) for outcome in qtest_suite._outcomes("t", done, log)]


def test_tap_is_read(tmp_path):
    output = "TAP version 13\n1..3\nok 1 /a\nnot ok 2 /b\nok 3 /c # SKIP no KVM\n"
    assert qtest(tmp_path, output, 1) == [("t/a", PASSED), ("t/b", FAILED), ("t/c", SKIPPED)]


def test_the_last_plan_counts(tmp_path):
    assert qtest(tmp_path, "ok 1 /a\n1..1\nok 2 /b\n1..2\n") == [("t/a", PASSED), ("t/b", PASSED)]


@pytest.mark.parametrize("output, status", [
    ("1..2\nok 1 /a\n", 0), ("ok 1 /a\n", 0), ("", 0), ("1..1\nok 1 /a\n", 134), ("Bail out!\n", 1)])
def test_a_qtest_that_ends_early_has_failed(tmp_path, output, status):
    assert qtest(tmp_path, output, status)[-1] == ("t", FAILED)


@pytest.mark.parametrize("states, line, status", [
    ([PASSED, PASSED, SKIPPED], "2 passed, 0 failed, 1 skipped", 0), ([PASSED, FAILED], "1 passed, 1 failed, 0 skipped", 1),
    ([], "0 passed, 0 failed, 0 skipped", 1), ([SKIPPED], "0 passed, 0 failed, 1 skipped", 1)])
def test_the_last_line_counts(capsys, states, line, status):
    outcomes = [Outcome(str(number), state, "why") for number, state in enumerate(states)]
    assert main.report(outcomes, 1) == status
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_names_select():
    suites, wanted, keyword = main.selection(["unit", "test_storm.py"])
    assert suites == main.SUITES
    assert wanted("unit", "anything") and wanted("fuzz", "test_storm.py") and not wanted("fuzz", "request_fuzz")
    assert (keyword("unit"), keyword("vm")) == ("", "test_storm")
    assert main.selection(["lint"])[0] == ["lint"]


NAME = "tests.vm.test_oom/test_reclaim[6.1]"


def test_a_test_is_found_again():
    assert pytest_suite.test_id(NAME) == "tests/vm/test_oom.py::test_reclaim[6.1]"


@pytest.mark.parametrize("details, again", [
    ([], False), (["Timeout: took longer than 120 s"], True), (["late"] * 8, True), (["late"] * 9, False),
    (["late", "AssertionError: a guest's kernel complained; its console is named above"], False),
    (["QEMU ended with status -11"], False), (["3 mismatches"], False)])
def test_lost_content_and_complaints_get_no_second_try(details, again):
    failed = [Outcome(f"{NAME}{number}", FAILED, detail) for number, detail in enumerate(details)]
    assert pytest_suite.may_run_again(failed) == again


@pytest.mark.parametrize("alone, outcome", [
    ([Outcome(NAME, PASSED)], Outcome(NAME, PASSED, "", "late\nlong")),
    ([Outcome(NAME, FAILED, "late again")], Outcome(NAME, FAILED, "late again")),
    ([Outcome(NAME, SKIPPED, "no pages")], Outcome(NAME, FAILED, "late\nlong")),
    ([], Outcome(NAME, FAILED, "late\nlong"))])
def test_only_a_pass_makes_good(alone, outcome):
    assert pytest_suite.second_tries({NAME: Outcome(NAME, FAILED, "late\nlong")}, alone) == [outcome]


def test_a_second_try_is_reported(capsys):
    assert main.report([Outcome(NAME, PASSED, "", "late\nlong")], 1) == 0
    shown = capsys.readouterr().out
    assert NAME in shown and "late" in shown and "1 passed, 0 failed, 0 skipped" in shown
