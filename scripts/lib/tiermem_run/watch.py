# SPDX-License-Identifier: GPL-2.0-or-later
"""One look at a machine from all sides: device, host kernel, guest kernel, program."""

import re
import time
from dataclasses import asdict, dataclass

NAMES = ("fast", "slow")
# The guest's side in one go: each command costs an emulated guest a noticeable time.
LOOK = "cat /sys/devices/system/node/node[01]/meminfo; redis-cli info commandstats 2>/dev/null"


@dataclass(frozen=True)
class TierView:
    """One tier, in bytes."""
    requested: int
    actual: int
    resident: int  # as the device measures it
    host: int  # as the host's kernel counts it in /proc
    guest: int  # MemTotal of the guest's node

    @property
    def reached(self):
        """Whether the guest has exactly its quota."""
        return self.actual == self.requested


@dataclass(frozen=True)
class View:
    """All of it. `requests` are SET and GET commands that redis has carried out."""
    seconds: float
    tiers: tuple[TierView, ...]
    requests: int

    @property
    def reached(self):
        """Whether all quotas are met."""
        return all(tier.reached for tier in self.tiers)

    def as_json(self):
        """For --json."""
        return {"seconds": round(self.seconds, 2), "requests": self.requests,
                "tiers": [{"name": name, **asdict(tier)} for name, tier in zip(NAMES, self.tiers)]}


class Watcher:
    """Looks at a machine; time begins with it."""

    def __init__(self, machine):
        self.machine = machine
        self.begin = time.monotonic()

    def look(self):
        """The View of now. The guest is asked last: its memory follows what the device says."""
        device = self.machine.qmp("query-tiermem")[0]["tiers"]
        host = [self.machine.host_resident(name) for name in NAMES]
        text = self.machine.run(LOOK).output
        totals = [int(number) * 1024 for number in re.findall(r"MemTotal: +(\d+) kB", text)]
        calls = re.findall(r"cmdstat_(?:set|get):calls=(\d+)", text)
        tiers = tuple(TierView(tier["requested"], tier["actual"], tier["resident"], host_bytes, total)
                      for tier, host_bytes, total in zip(device, host, totals, strict=True))
        return View(time.monotonic() - self.begin, tiers, sum(map(int, calls)))
