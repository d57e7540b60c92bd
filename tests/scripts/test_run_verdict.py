# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/run's verdict: a good run passes, and each thing that can go wrong fails the check that is about it."""

import io
from dataclasses import replace

import pytest

from tiermem_run import steps, verdict
from tiermem_run.redis import Account
from tiermem_run.table import Table
from tiermem_run.watch import TierView, View

MIB = 1 << 20
RESERVED = 40 * MIB  # of a node that its kernel does not count


def view(*quotas):
    """All sides agree, and the guest has touched everything."""
    return View(1.0, tuple(TierView(quota, quota, quota, quota, quota - RESERVED) for quota in quotas), 1000)


def outcome(before, after, **more):
    fast, slow = [tier.requested for tier in after.tiers]
    step = steps.Step("shrink", fast, slow, deadline_ms=1000)
    return replace(steps.Outcome(step, before, after, 1.0, False), **more)


def with_tier(some, number, **changes):
    """The view with one tier changed."""
    return replace(some, tiers=tuple(replace(tier, **changes) if index == number else tier
                                     for index, tier in enumerate(some.tiers)))


BEFORE, AFTER = view(512 * MIB, 512 * MIB), view(256 * MIB, 128 * MIB)
GOOD = outcome(BEFORE, AFTER)
ACCOUNT = Account(rounds=3, failed_rounds=0, finished=12000, served=12000, refused=0, errors=[])


def failed(outcomes=(GOOD,), account=ACCOUNT, lost=(0, 0), complaints=()):
    return [check.what for check in verdict.judge(list(outcomes), account, lost, list(complaints)) if not check.holds]


def test_a_good_run_passes():
    assert failed() == []


@pytest.mark.parametrize("bad,what", [
    (outcome(BEFORE, with_tier(AFTER, 1, actual=129 * MIB, guest=129 * MIB - RESERVED)), "every quota was reached"),
    (outcome(BEFORE, AFTER, missed=True), "deadlines were kept"),
    (outcome(BEFORE, with_tier(AFTER, 0, host=256 * MIB + verdict.SLACK + 1)), "the host held no more than the guest had"),
    (outcome(BEFORE, with_tier(AFTER, 1, resident=512 * MIB)), "the host held no more than the guest had"),
    (outcome(with_tier(BEFORE, 0, host=100 * MIB), with_tier(AFTER, 0, host=100 * MIB)),
     "the host's memory fell when fast shrank"),
    (outcome(BEFORE, with_tier(AFTER, 1, guest=128 * MIB)), "the guest's MemTotal followed to the byte"),
])
def test_what_goes_wrong_with_memory_fails(bad, what):
    assert what in failed([bad])


@pytest.mark.parametrize("bad", [{"served": 11999}, {"refused": 1}, {"failed_rounds": 1}, {"errors": ["Error: x"]},
                                 {"rounds": 0}])
def test_lost_requests_fail(bad):
    assert failed(account=replace(ACCOUNT, **bad)) == ["redis lost no request"]


@pytest.mark.parametrize("lost", [(1, 0), (0, 1)])
def test_lost_data_fail(lost):
    assert failed(lost=lost) == ["redis lost no data"]


def test_a_complaint_of_the_kernel_fails():
    assert failed(complaints=["BUG: x"]) == ["the guest's kernel did not complain"]


def test_the_tables_columns_are_aligned():
    table = Table(io.StringIO())
    table.head()
    table.row("shrink both", view(5 * MIB, 10 << 30))
    table.row("boot", view(512 * MIB, 768 * MIB))
    titles, _, last = table.out.getvalue().splitlines()[-3:]
    assert len(titles) == len(last) and titles.index("requests") + len("requests") == last.index("1,000") + len("1,000")
