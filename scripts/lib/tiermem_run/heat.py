# SPDX-License-Identifier: GPL-2.0-or-later
"""The second half of the run: a program that begins on the slow tier, while redis works on; of what both hold a third
fits into the fast tier. The driver's counters are looked at each second until most accesses are served fast, and
again after a shrink of the fast tier."""

import re
import time
from dataclasses import asdict, dataclass

from .verdict import Check

MIB = 1 << 20
TIERING = "/sys/bus/virtio/drivers/virtio_tiermem/virtio*/tiering"
RANGES = "/sys/kernel/debug/virtio_tiermem/ranges"
SIZE, HOT = 224 * MIB, 24 * MIB  # of the program
KEPT = 50 * MIB  # of the fast tier, free: by the kernel (watermarks) and by the driver for new memory
SHRINK = 16 * MIB
BLOCK = 4 * MIB  # quotas are multiples of it
PROGRAM = f"tierload gups --place slow --size {SIZE} --hot {HOT} --hot-share 0.95 --seconds 3600 >/run/tierload 2>&1 </dev/null &"
BEGUN = "grep -q ': start$' /run/tierload"
REDIS_FAST = "grep -o ' N0=[0-9]*' /proc/$(pidof redis-server)/numa_maps | awk -F= '{ sum += $2 } END { print sum * 4096 }'"
FREE = "awk '/MemFree/ { print $4 * 1024 }' /sys/devices/system/node/node0/meminfo"
LOOK = f"cd {TIERING} && cat samples_fast samples_slow promoted demoted && awk '{{ sum += $2 }} END {{ printf \"%.0f\", sum }}' time_ns"
FEWEST = 100  # samples whose tier is known between two looks, for a share
GOOD = 0.8  # of the accesses
PATIENCE = 180  # seconds for each half; a quiet host takes 10


@dataclass(frozen=True)
class Look:
    """The driver's counters at one time."""
    seconds: float
    phase: str
    fast: int  # samples served by the fast tier
    slow: int
    promoted: int  # bytes
    demoted: int
    cpu_ns: int
    share: float | None = None  # fast of the samples since the look before; None: too few

    def as_json(self):
        """For --json."""
        return asdict(self)


class Heat:
    """Runs the program beside redis, which holds so many bytes, and looks; show(look, the one before or None) at each
    look."""

    def __init__(self, machine, held, show):
        self.machine = machine
        self.held = held
        self.show = show
        self.looks = []
        self.ranges = ""  # the driver's heat map at the end
        self.begin = time.monotonic()

    def run(self):
        """Both halves; returns the checks."""
        self.machine.run(f"for file in {TIERING}/own_kernel_tiering; do echo 1 >$file; done")
        self._leave_a_third()
        self.machine.run(PROGRAM)
        self._until_begun()
        checks = [self._check("what is hot became fast", self._until_good("hot part"))]
        self._shrink()
        checks.append(self._check("and stayed so in a smaller fast tier", self._until_good("less fast")))
        self.ranges = self.machine.run(f"cat {RANGES}").output
        self.machine.run("pkill tierload", check=False)
        return checks

    def _fast(self):
        return self.machine.qmp("query-tiermem")[0]["tiers"][0]

    def _set_fast(self, size):
        self.machine.qmp("tiermem-set-quota", id="tm0", tiers=[{"tier": 0, "size": size // BLOCK * BLOCK}])
        deadline = time.monotonic() + PATIENCE
        while (tier := self._fast())["actual"] != tier["requested"] and time.monotonic() < deadline:
            time.sleep(0.2)

    def _leave_a_third(self):
        """Of the programs' data in the fast tier: what redis has there and what is free beyond what is kept so."""
        free, has = (int(self.machine.run(command).output) for command in (FREE, REDIS_FAST))
        self._set_fast(self._fast()["actual"] - (free - KEPT + has) + (self.held + SIZE) // 3)

    def _shrink(self):
        self._set_fast(self._fast()["actual"] - SHRINK)

    def _until_begun(self):
        """Its memory is there, and it works on it: then it is slow."""
        deadline = time.monotonic() + PATIENCE
        while self.machine.run(BEGUN, check=False).status and time.monotonic() < deadline:
            self._look("it begins")
            time.sleep(1)
        self._look("it begins")

    def _until_good(self, phase):
        """The last look: a good one unless patience has ended. What was fast by itself, as redis is while the program
        fills its memory, does not count."""
        deadline = time.monotonic() + PATIENCE
        while True:
            time.sleep(1)
            look = self._look(phase)
            if self._is_good(look) or time.monotonic() > deadline:
                return look

    def _is_good(self, look):
        return (look.share or 0) >= GOOD and look.promoted > self.looks[0].promoted

    def _look(self, phase):
        numbers = [int(word) for word in re.findall(r"\d+", self.machine.run(LOOK).output)]
        before = self.looks[-1] if self.looks else None
        look = Look(time.monotonic() - self.begin, phase, *numbers)
        if before and (known := look.fast + look.slow - before.fast - before.slow) >= FEWEST:
            look = Look(**{**asdict(look), "share": (look.fast - before.fast) / known})
        self.looks.append(look)
        self.show(look, before)
        return look

    def _check(self, what, last):
        spent = last.cpu_ns - self.looks[0].cpu_ns
        moved = (last.promoted + last.demoted - self.looks[0].promoted - self.looks[0].demoted) / MIB
        return Check(what, self._is_good(last) and self._reached(),
                     f"{last.share or 0:.0%} of the accesses served fast after {last.seconds:.0f} s; {moved:.0f} MiB moved so "
                     f"far, {spent / 1e9:.1f} s of CPU")

    def _reached(self):
        tier = self._fast()
        return tier["actual"] == tier["requested"]
