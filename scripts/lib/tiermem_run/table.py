# SPDX-License-Identifier: GPL-2.0-or-later
"""The live table: a line for each look, with colours on a terminal and plain in a file."""

import sys

MIB = 1 << 20
PHASE = 12
TITLES = ("quota", "actual", "host", "guest")
COLUMN = 7
BOLD, DIM, GREEN, YELLOW, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
LEGEND = ("quota: what the host asks for; actual: what the guest has not surrendered; host: memory that the host "
          "really holds,\nby /proc; guest: MemTotal of the guest's node. All in MiB.")

BAR = 20  # characters of a share of 1
HEAT_LEGEND = ("fast share: of the sampled accesses since the line before; promoted, demoted: MiB moved to the fast and the "
               "slow tier\nsince the driver was loaded; CPU: the driver's, of one CPU.")


class Table:
    """Writes to stdout."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.colours = out.isatty()
        self.last = None

    def _line(self, text=""):
        print(text, file=self.out, flush=True)

    def paint(self, text, colour):
        """The text in a colour where there are any."""
        return f"{colour}{text}{PLAIN}" if self.colours else text

    def title(self, text):
        """A heading."""
        self._line(f"\n{self.paint(text, BOLD)}")

    def facts(self, rows):
        """Lines of a name and a value."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._line(f"  {name:<{width}}  {value}")

    def head(self):
        """The columns' titles."""
        width = COLUMN * len(TITLES)
        groups = "  ".join(f" {name} ".center(width, "-") for name in ("fast, MiB", "slow, MiB"))
        titles = "  ".join("".join(title.rjust(COLUMN) for title in TITLES) for _ in range(2))
        self._line(LEGEND)
        self._line(self.paint(f"{'':8}{'':{PHASE}}{groups}", DIM))
        self._line(self.paint(f"{'time':>6}  {'phase':<{PHASE}}{titles}  {'requests':>9}  {'per s':>6}", BOLD))

    def row(self, phase, view):
        """A View as a line."""
        tiers = "  ".join(self._tier(tier) for tier in view.tiers)
        self._line(f"{view.seconds:4.0f} s  {phase:<{PHASE}}{tiers}  {view.requests:9,d}  {self._rate(view):>6}")
        self.last = view

    def _tier(self, tier):
        quota, *others = (f"{size / MIB:{COLUMN}.0f}" for size in (tier.requested, tier.actual, tier.host, tier.guest))
        others[0] = self.paint(others[0], GREEN if tier.reached else YELLOW)
        return "".join([quota, *others])

    def _rate(self, view):
        """Requests per second since the line before."""
        if self.last is None or view.seconds <= self.last.seconds:
            return "-"
        return f"{(view.requests - self.last.requests) / (view.seconds - self.last.seconds):,.0f}"

    def heat_head(self):
        """The columns' titles of the second table."""
        self._line(HEAT_LEGEND)
        self._line(self.paint(f"{'time':>6}  {'phase':<{PHASE}}{'fast share':<{BAR + 7}}{'promoted':>10}{'demoted':>10}{'CPU':>8}", BOLD))

    def heat_row(self, look, before):
        """A heat.Look as a line."""
        share = "-" if look.share is None else f"{look.share:4.0%} {'#' * round(look.share * BAR)}"
        spent = "-"
        if before and look.seconds > before.seconds:
            spent = f"{(look.cpu_ns - before.cpu_ns) / 1e9 / (look.seconds - before.seconds):.1%}"
        self._line(f"{look.seconds:4.0f} s  {look.phase:<{PHASE}}{share:<{BAR + 7}}{look.promoted / MIB:10.0f}"
                   f"{look.demoted / MIB:10.0f}{spent:>8}")

    def checks(self, checks):
        """The verdict's parts."""
        for check in checks:
            mark = self.paint("  ok  ", GREEN) if check.holds else self.paint("FAILED", RED)
            self._line(f"  {mark}  {check.what}: {check.detail}")
