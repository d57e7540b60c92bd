# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of the tiering bench: boots a guest that sets a peer up, runs tierload or a real program, and switches
itself off.

Nothing reaches the guest from outside while it runs, so that a run is the same each time. Its words come over a second
serial port, what the meter says from its log.
"""

import json
import re
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tiermem_bench import tiering_figures as figures
from tiermem_bench import tiering_programs
from tiermem_bench.tiering_peers import PEERS, QUIET
from tiermem_bench.tiering_programs import PROGRAMS
from tiermem_build import cache, guest_kernel, image, log, mini_image, module, paths
from tiermem_build.image import DRIVER
from tiermem_vm import Config, Machine
from tiermem_vm.place import Place
from tiermeter import Meter, built, read_log
import unattended

SERIES = "6.12"
CPU = "Icelake-Server,model=106,x-tcg-pebs=4"  # the same for all: the driver samples by PEBS
BUILD = paths.BUILD
TIERLOAD = BUILD / "tools/tierload/tierload"
MARK = BUILD / "tools/tierload/tierload-mark"
POLL = 0.5  # host seconds
LINE_MAX = 4096  # bytes of the meter's log that hold a whole line at least
SET_UP_SECONDS = 120  # of the guest, for all but the run itself; 10 is usual
TRIES = 5
SMALL = 96 << 20  # bytes of the slow node of a machine that is nearly all fast
# The run begins when the boot's last workers have come to rest.
SCRIPT = """exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 -opost 2>/dev/null
sleep 3
FAST={fast} SLOW={slow}
set_up() {{
set -e
{setup}
}}
(set_up) || {{ echo "tiering: set-up failed"; exit 1; }}
{work}
status=$?
for file in {watched}; do [ -f "$file" ] && echo "watched ${{file##*/}} $(cat "$file" | tr '\\n' ' ')"; done
echo "tiering: status $status"
"""


class RunFailed(Exception):
    """A run did not get to its end; the text says why and names the logs."""


class Alone(Machine):
    """A machine whose guest nobody talks to, and which ends by itself."""

    def start(self):
        """Starts QEMU and returns while the guest boots."""
        self.place = self._make_place()
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def _make_place(self):
        """Place removes old logs; one that another process has removed at that moment is no failure of ours."""
        for _ in range(TRIES):
            try:
                return Place(self.name)
            except FileNotFoundError:
                continue
        return Place(self.name)


@dataclass(frozen=True)
class Cell:
    """What decides the result of a run. Sizes are in bytes."""
    workload: str
    peer: str
    thp: bool = False
    seed: int = 1
    seconds: float = 20.0
    fast: int = 320 << 20
    slow: int = 704 << 20
    size: int = 512 << 20
    hot: int = 64 << 20

    @property
    def title(self):
        """The workload's name in the table."""
        return f"{self.workload}{', huge pages' if self.thp else ''}"

    @property
    def nodes(self):
        """Bytes of the fast and the slow node. Whose heat is not known has all memory fast as its ideal."""
        if self.workload in PROGRAMS and self.peer == "ideal":
            return self.fast + self.slow - SMALL, SMALL
        return self.fast, self.slow

    def watch(self):
        """Arguments for the files that tell the bytes moved."""
        return "".join(f" --watch {pattern}" for pattern in PEERS[self.peer].watch.split())

    def words(self):
        """tierload's arguments."""
        return (f"{self.workload} --size {self.size}B --hot {self.hot}B --seconds {self.seconds} --seed {self.seed} "
                f"--thp {'on' if self.thp else 'off'} --place {PEERS[self.peer].place} --oracle --oracle-ranges 4"
                + self.watch())


def build():
    """tierload, in the build folder of everything that is ours."""
    if not (BUILD / "build.ninja").exists():
        log.run(["meson", "setup", BUILD, paths.TOP], paths.LOGS / "meson-setup.log", "meson setup", cwd=paths.TOP)
    log.run(["ninja", "-C", BUILD, "tools/tierload/tierload", "tools/tierload/tierload-mark"],
            paths.LOGS / "bench-compile.log", "building tierload")


def script(cell):
    """What the guest does by itself."""
    setup = QUIET + PEERS[cell.peer].setup
    fast, slow = cell.nodes
    return SCRIPT.format(fast=fast, slow=slow, setup=setup, work=work(cell), watched=PEERS[cell.peer].shown or '""')


def work(cell):
    """The part that is measured."""
    if cell.workload not in PROGRAMS:
        return f"tierload {cell.words()} --json"
    pages = f"echo {'always' if cell.thp else 'never'} >/sys/kernel/mm/transparent_hugepage/enabled\n"
    return pages + PROGRAMS[cell.workload].script(cell, cell.watch().strip())


def files(cell):
    """[(host file, path in the guest)] of the programs that run there."""
    if cell.workload not in PROGRAMS:
        return [(TIERLOAD, "/bin/tierload")]
    return [(MARK, "/bin/tierload-mark"), *tiering_programs.files(cell)]


def hypervisor(cell):
    """Options of the meter for a peer that tiers from outside of the guest."""
    charge = PEERS[cell.peer].hypervisor
    return {"hv_fast": cell.nodes[0], "hv_charge": charge} if charge else {}


def append(cell):
    """Words of the kernel's command line."""
    return "no_timer_check" + (" numa=off" if PEERS[cell.peer].hypervisor else "")


class GuestClock:
    """What the meter's log says of the guest's time while it grows. `limit`: guest seconds of a run that is alright."""

    def __init__(self, log_file, limit):
        self.file = log_file
        self.limit = limit
        self.size = None
        self.changed = time.monotonic()

    def problem(self, patience):
        """Why the guest counts as hung; None while it does not. `patience`: host seconds without a sign of life."""
        size = self.file.stat().st_size if self.file.exists() else 0
        if size != self.size:
            self.size, self.changed = size, time.monotonic()
            if last_ns(self.file) > self.limit * figures.SECOND:
                return f"the guest did not finish within {self.limit:.0f} s of its own clock"
        if time.monotonic() - self.changed > patience:
            return f"the guest's clock has stood still for {patience:.0f} s"
        return None


def last_ns(file):
    """The guest's time of the last whole line of a meter's log, nanoseconds; 0 before the first."""
    if not file.exists():
        return 0
    with open(file, "rb") as lines:
        lines.seek(max(0, file.stat().st_size - LINE_MAX))
        times = re.findall(rb'"time_ns":(\d+)', lines.read())
    return int(times[-1]) if times else 0


class Bench:
    """Runs cells with one QEMU and one meter."""

    def __init__(self, qemu=None):
        self.qemu = Path(qemu) if qemu else Config().qemu
        build()
        self.base = [self.qemu, built(), TIERLOAD, guest_kernel.fetch(SERIES).release, mini_image.GUEST, CPU,
                     unattended.INITTAB]
        self.keys = {}  # of the programs, with and without a driver
        self.stopped = threading.Event()  # ends all runs

    def key(self, cell):
        """A key over all that decides the result."""
        driver = module.build(DRIVER, SERIES, BUILD / "modules" / SERIES) if PEERS[cell.peer].tiermem else []
        if tuple(driver) not in self.keys:
            self.keys[tuple(driver)] = cache.key(*self.base, *driver)
        outside = [hypervisor(cell), append(cell)] if hypervisor(cell) else []
        if cell.workload in PROGRAMS:
            outside += [part for file, path in files(cell) for part in (file, path)]
        return cache.key(self.keys[tuple(driver)], sorted(asdict(cell).items()), script(cell), *outside)

    def run(self, cell, timeout):
        """Figures of a run; raises RunFailed. `timeout`: host seconds in which the guest's clock may stand still."""
        with tempfile.TemporaryDirectory(prefix="tiering-") as folder:
            words, readings = Path(folder) / "words", Path(folder) / "meter.jsonl"
            meter = Meter(log=readings, clock=True, **hypervisor(cell))
            with self._machine(cell, meter, words, Path(folder)) as machine:
                self._watch(machine, words, GuestClock(readings, cell.seconds + SET_UP_SECONDS), timeout)
                extra = {"complaints": machine.complaints(), "watched": _watched(words)}
            return self._figures(cell, words, readings, extra)

    def _machine(self, cell, meter, words, folder):
        peer = PEERS[cell.peer]
        parts = image.build("mini", SERIES, peer.tiermem)
        initrd = unattended.with_files(parts["initrd"], files(cell), script(cell), folder)
        fast, slow = cell.nodes
        settings = meter.settings(qemu_args=["-serial", f"file:{words}"], append=append(cell), kernel=SERIES,
                                  parts={**parts, "initrd": initrd}, fast=fast, slow=slow,
                                  tiermem=peer.tiermem, cpu=CPU, qemu=self.qemu, reboot=False)
        return Alone(Config(**settings), name=f"tiering-{cell.workload}-{cell.peer}")

    def _watch(self, machine, words, clock, timeout):
        """Waits for the end of the machine. What a busy host takes for it says nothing; the guest's clock does."""
        while machine.process.poll() is None:
            if problem := clock.problem(timeout):
                raise RunFailed(f"{problem}; {_last(words)}\n{_logs(machine)}")
            if self.stopped.wait(POLL):
                raise RunFailed("stopped")
        if machine.process.returncode != 0:
            raise RunFailed(f"QEMU ended with status {machine.process.returncode}; {_last(words)}\n{_logs(machine)}")
        status = _status(words)
        if status is None:
            raise RunFailed(f"the guest has died; {_last(words)}\n{_logs(machine)}")
        if status != "status 0":
            raise RunFailed(f"the program ended with {status}; {_last(words)}\n{_logs(machine)}")

    def _figures(self, cell, words, readings, extra):
        samples = read_log(readings).samples
        course = figures.Course([_counts(reading) for reading in samples])
        try:
            run = figures.figures(tiering_programs.completed(events(words)) if cell.workload in PROGRAMS else events(words), course)
        except (ValueError, KeyError) as problem:
            raise RunFailed(f"the results make no sense: {problem!r}\n{_last(words)}") from problem
        run["ideal_fast_bytes"] = next((event["fast_bytes"] for event in events(words) if event["event"] == "settings"), 0)
        if PEERS[cell.peer].hypervisor:
            run["pages_moved"] = _moved_outside(samples, run["end"]) - _moved_outside(samples, run["begin"])
        run["course"] = [counts.as_list() for counts in course.samples if counts.time >= run["begin"] - figures.SECOND]
        return {**run, **extra, "cell": asdict(cell)}


def _counts(reading):
    """A reading of the meter as the figures take it."""
    user, kernel = reading.misses("user"), reading.misses("kernel")
    assert len(user) == len(kernel) == 2, f"two tiers, not {len(user)}"
    return figures.Counts(reading.time_ns, *user, reading.counts["user"]["stall_ns"], reading.instructions("kernel"),
                          reading.counts["kernel"]["stall_ns"])


def _moved_outside(samples, time):
    """Pages that the hypervisor has moved until then."""
    return max((reading.extra["hypervisor"]["moved"] for reading in samples if reading.time_ns <= time), default=0)


def course_of(run):
    """The course of a run that has been stored."""
    assert len(fields(figures.Counts)) == 6
    return figures.Course([figures.Counts(*values) for values in run["course"]])


def events(words):
    """tierload's JSON lines."""
    found = []
    for line in _lines(words):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in found if isinstance(event, dict) and "event" in event]


def _lines(words):
    return words.read_text(errors="replace").splitlines() if words.exists() else []


def _status(words):
    """What the script has said at its end, or None."""
    said = [line.removeprefix("tiering: ") for line in _lines(words) if line.startswith("tiering: ")]
    return said[-1].strip() if said else None


def _watched(words):
    """{name: text} of the files that were shown at the end."""
    shown = [line.split(maxsplit=2) for line in _lines(words) if line.startswith("watched ")]
    return {line[1]: line[2].strip() if len(line) > 2 else "" for line in shown}


def _logs(machine):
    """The logs' names and how the console ends."""
    place = machine.place
    return f"logs: {place.console}, {place.errors}\nthe console ends with:\n{log.tail(place.console, 5)}"


def _last(words):
    """What the guest's script said at last."""
    said = [line for line in _lines(words) if not line.startswith("{")][-4:]
    done = [event["event"] for event in events(words)]
    return f"the guest said: {' / '.join(said) or 'nothing'}; its last event: {done[-1] if done else 'none'}"
