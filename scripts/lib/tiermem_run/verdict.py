# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the run was what it should be; every check says what was measured."""

from dataclasses import dataclass

from .redis import KEYS
from .watch import NAMES

MIB = 1 << 20
SLACK = 2 * MIB  # pages of a tier that QEMU itself or the firmware has touched
# What a tier's first shrink must at least bring the host, of the bytes taken. Before it the guest has used all of
# its memory but a reserve, so most of what it hands over was resident.
FALL = 0.5


@dataclass(frozen=True)
class Check:
    """`detail` has the figures."""
    what: str
    holds: bool
    detail: str

    def as_json(self):
        """For --json."""
        return {"what": self.what, "holds": self.holds, "detail": self.detail}


def judge(outcomes, account, lost, complaints):
    """All checks of a run."""
    return [_reached(outcomes), _deadlines(outcomes), _resident(outcomes), *_falls(outcomes), _guest(outcomes),
            _requests(account), _content(lost), _kernel(complaints)]


def _mib(size):
    return f"{size / MIB:.0f} MiB"


def _reached(outcomes):
    late = [outcome.step.name for outcome in outcomes if not outcome.after.reached]
    slowest = max(outcome.seconds for outcome in outcomes)
    return Check("every quota was reached", not late,
                 f"{len(outcomes) - len(late)} of {len(outcomes)} steps, the slowest in {slowest:.1f} s"
                 + (f"; not: {', '.join(late)}" if late else ""))


def _deadlines(outcomes):
    limited = [outcome for outcome in outcomes if outcome.step.deadline_ms is not None]
    missed = [outcome.step.name for outcome in limited if outcome.missed]
    return Check("deadlines were kept", bool(limited) and not missed,
                 f"{len(limited) - len(missed)} of {len(limited)}" + (f"; not: {', '.join(missed)}" if missed else ""))


def _resident(outcomes):
    """After each step the host holds no more than the guest has."""
    excess, where = max((max(tier.host, tier.resident) - tier.actual, f"{name} after '{outcome.step.name}'")
                        for outcome in outcomes for name, tier in zip(NAMES, outcome.after.tiers))
    return Check("the host held no more than the guest had", excess <= SLACK,
                 f"at most {excess / MIB:+.1f} MiB of what was actual ({where}; by /proc and by the device)")


def _falls(outcomes):
    """Each tier's first shrink made the host's memory fall."""
    for number, name in enumerate(NAMES):
        first = next(outcome for outcome in outcomes
                     if outcome.after.tiers[number].requested < outcome.before.tiers[number].requested)
        before, after = first.before.tiers[number], first.after.tiers[number]
        taken = before.requested - after.requested
        falls = {"/proc": before.host - after.host, "the device": before.resident - after.resident}
        yield Check(f"the host's memory fell when {name} shrank", all(fall >= FALL * taken for fall in falls.values()),
                    f"{_mib(taken)} taken; less resident " + ", ".join(f"by {who} {_mib(fall)}" for who, fall in falls.items()))


def _guest(outcomes):
    """The guest's MemTotal moves by exactly what its quota does."""
    wrong = [f"{name} at '{outcome.step.name}'" for outcome in outcomes
             for name, before, after in zip(NAMES, outcome.before.tiers, outcome.after.tiers)
             if after.guest - before.guest != after.actual - before.actual]
    return Check("the guest's MemTotal followed to the byte", not wrong,
                 "not: " + ", ".join(wrong) if wrong else f"{2 * len(outcomes)} changes")


def _requests(account):
    lost = account.finished - account.served
    fine = account.rounds > 0 and account.failed_rounds == 0 and account.refused == 0 and lost == 0 and not account.errors
    detail = f"{account.finished:,} finished, {account.served:,} served, {account.refused} refused, " \
             f"{account.failed_rounds} of {account.rounds} rounds failed, {len(account.errors)} errors"
    return Check("redis lost no request", fine, "; ".join([detail, *account.errors[:3]]))


def _content(lost):
    missing, wrong = lost
    return Check("redis lost no data", missing == wrong == 0, f"{KEYS:,} keys read again: {missing} missing, {wrong} wrong")


def _kernel(complaints):
    return Check("the guest's kernel did not complain", not complaints, "; ".join(complaints[:3]) or "no warning")
