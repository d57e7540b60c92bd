# SPDX-License-Identifier: GPL-2.0-or-later
"""One measured figure, what it is compared with, and the bar that it has to meet."""

import operator
import re
from dataclasses import dataclass

BAR = re.compile(r"(<=|<|>=|>|==) (-?\d+(?:\.\d+)?)")
COMPARE = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq}


@dataclass(frozen=True)
class Row:
    """`bar` is text such as "<= 0.05" over `value`; a comparison with a peer has unit "ratio"."""
    what: str
    value: float | None
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    bar: str | None = None

    def __post_init__(self):
        if self.bar is not None and not BAR.fullmatch(self.bar):
            raise ValueError(f"bar '{self.bar}' of '{self.what}' is not an operator and a number, such as '<= 0.05'")

    @property
    def holds(self):
        """Whether the bar is met, None without one. What could not be measured meets no bar."""
        if self.bar is None:
            return None
        sign, limit = BAR.fullmatch(self.bar).groups()
        return self.value is not None and COMPARE[sign](self.value, float(limit))

    def as_json(self):
        """The row as docs/bench.schema.json has it."""
        return {"what": self.what, "value": self.value, "unit": self.unit, "peer": self.peer,
                "peer_value": self.peer_value, "bar": self.bar, "holds": self.holds}
