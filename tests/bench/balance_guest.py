# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of the balance bench: a guest on the model clock whose time passes only when the bench lets it.

The guest is by itself as those of the tiering bench are: a script starts tierload, its words come over a serial port.
From outside come its quotas only. It is stopped and let go by its monitor, at times of its own clock.
"""

import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import unattended
from balance_monitor import Client, Monitor
from tiering_guest import CPU, SERIES, Alone, build, events, last_ns
from tiermem_bench import balance_figures as figures
from tiermem_bench.tiering_peers import QUIET
from tiermem_build import cache, guest_kernel, image, log, mini_image, module, paths
from tiermem_build.image import DRIVER
from tiermem_vm import Config, host_memory
from tiermeter import Meter, built

MIB = 1 << 20
TIERLOAD = paths.BUILD / "tools/tierload/tierload"
LOOK_MS = 20  # of the guest's clock, between two lines of the meter's log
POLL = 0.02  # host seconds
INTERVAL = 0.25  # seconds between tierload's lines
SCRIPT = """exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 -opost 2>/dev/null
{quiet}sleep 3
tierload gups --size {size}B --hot {hot}B --hot-share {share} --seconds {seconds} --interval {interval} --json &
program=$!
{breaks}wait $program
echo "balance: status $?"
"""
# From when the program has filled its memory. While it is stopped the guest is idle, and its clock jumps.
BREAKS = """sleep 3
(while :; do kill -STOP $(pidof tierload); sleep {idle}; kill -CONT $(pidof tierload); sleep {busy}; done) &
"""
PERIOD = 0.1  # seconds


class GuestFailed(Exception):
    """A guest did not do what it is for; the text says why and names the logs."""


@dataclass(frozen=True)
class Heat:
    """What a machine does. Sizes are in bytes."""
    name: str
    size: int  # the program's memory
    hot: int  # of it, the part that gets `share` of the accesses
    busy: float = 1.0  # part of the time that the program works
    share: float = 0.99


@dataclass(frozen=True)
class Host:
    """What is the same for all machines. Sizes are in bytes."""
    fast: int = 192 * MIB
    slow: int = 320 * MIB
    llc: int = 2 * MIB  # the modelled cache: small beside the hot parts, as caches are


def script(heat, seconds):
    """What the guest does by itself; the program runs for so many seconds of its clock."""
    busy = round(heat.busy * PERIOD, 3)
    breaks = BREAKS.format(idle=round(PERIOD - busy, 3), busy=busy) if heat.busy < 1 else ""
    return SCRIPT.format(quiet=QUIET, size=heat.size, hot=heat.hot, share=heat.share, seconds=seconds,
                         interval=INTERVAL, breaks=breaks)


class Guest:
    """One machine with an initial quota of fast memory; `folder` is for its files."""
    interrupted = threading.Event()  # nobody waits for any of them any more

    def __init__(self, heat, host, quota, seconds, folder):
        self.heat, self.folder = heat, Path(folder)
        self.words, self.readings = self.folder / "words", self.folder / "meter.jsonl"
        parts = image.build("mini", SERIES, True)
        initrd = unattended.with_files(parts["initrd"], [(TIERLOAD, "/bin/tierload")], script(heat, seconds), self.folder)
        meter = Meter(log=self.readings, clock=True, llc_size=host.llc, interval_ms=LOOK_MS)
        self.machine = Alone(Config(**meter.settings(
            qemu_args=["-serial", f"file:{self.words}"], append="no_timer_check", kernel=SERIES,
            parts={**parts, "initrd": initrd}, fast=host.fast, slow=host.slow, fast_quota=quota, cpu=CPU, reboot=False,
            qmp_socket=str(self.folder / "qemu.qmp"))), name=f"balance-{heat.name}")

    def __enter__(self):
        self.machine.start()
        try:
            # Not the machine's own client, whose loop all machines share: ours are for several threads.
            self.qmp = Client(self.machine._ends["qmp"])
            self.monitor = Monitor(self.folder / "machine.qmp", self.folder / "qemu.qmp")
        except BaseException:
            self.machine.stop()
            raise
        return self

    def __exit__(self, *_):
        self.machine.stop()

    def now(self):
        """The guest's clock as of the last line of the meter's log, nanoseconds."""
        return last_ns(self.readings)

    def go(self):
        """Lets the guest's time pass."""
        self.qmp("cont")

    def stop(self):
        """Stops it."""
        self.qmp("stop")

    def until(self, reached, patience):
        """Waits, while the guest runs, until reached(). `patience`: host seconds in which its clock may stand still."""
        seen, changed = self.now(), time.monotonic()
        while not reached():
            if self.interrupted.is_set():
                raise GuestFailed("interrupted")
            self.machine.check_alive()
            if (now := self.now()) != seen:
                seen, changed = now, time.monotonic()
            elif time.monotonic() - changed > patience:
                raise GuestFailed(f"the guest's clock has stood still for {patience:.0f} s\n{self.describe()}")
            if "balance: status" in self.said():
                raise GuestFailed(f"the program has ended too early\n{self.describe()}")
            time.sleep(POLL)

    def run_to(self, at, patience):
        """Waits, while the guest runs, until a time of its clock."""
        self.until(lambda: self.now() >= at, patience)

    def began(self):
        """When the program began to work, by the guest's clock; None: not yet."""
        return next((event["tsc"] for event in self.events() if event["event"] == "start"), None)

    def progress(self):
        """[(time, operations)] so far."""
        return figures.progress(self.events())

    def events(self):
        """tierload's lines so far."""
        return events(self.words)

    def said(self):
        """What came over the serial port."""
        return self.words.read_text(errors="replace") if self.words.exists() else ""

    def fast(self):
        """Its fast tier, by query-tiermem."""
        return self.qmp("query-tiermem")[0]["tiers"][0]

    def block(self):
        """(QEMU's process, host address, bytes) of its fast memory."""
        ramblocks = self.qmp("human-monitor-command", **{"command-line": "info ramblock"})
        return self.machine.pid, *host_memory.block_address(ramblocks, "fast")

    def describe(self):
        """Names of the logs, and what the guest said last."""
        said = [line for line in self.said().splitlines() if not line.startswith("{")][-3:]
        place = self.machine.place
        return f"logs: {place.console}, {place.errors}; the guest said: {' / '.join(said) or 'nothing'}\n{log.tail(place.console, 5)}"


class Programs:
    """What the runs' results depend on besides their own settings."""

    def __init__(self):
        build()
        driver = module.build(DRIVER, SERIES, paths.BUILD / "modules" / SERIES)
        self.base = cache.key(Config().qemu, built(), TIERLOAD, guest_kernel.fetch(SERIES).release, mini_image.GUEST, CPU,
                              unattended.INITTAB, *driver)

    def key_of_all(self, heats, host, *more):
        """The same of a run of several machines."""
        return cache.key(*[self.key(heat, host, 0) for heat in heats], *more)

    def key(self, heat, host, seconds, *more):
        """A key over all that decides the result of a run."""
        return cache.key(self.base, sorted(asdict(heat).items()), sorted(asdict(host).items()), script(heat, seconds), *more)
