# SPDX-License-Identifier: GPL-2.0-or-later
"""One machine with three devices that take memory from a guest, and what a resize by each of them costs it.

virtio-tiermem takes from the fast node, virtio-balloon from wherever the guest allocates, virtio-mem from a memory
device of its own on the slow node. The machine has one vCPU and no agent command runs while something is measured, so
that what the guest executes is the resize and its background, which is measured for as long afterwards.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tiermem_build import paths
from tiermem_vm import Config, Machine
from tiermeter import Tiermeter

sys.path.append(str(paths.TOP / "tests/vm/guest"))
import tiers  # noqa: E402

MIB = 1 << 20
PAGE = 4096
AMOUNT = 256 * MIB
PAGES = AMOUNT // PAGE
FAST, SLOW, PLUGGABLE = 1024 * MIB, 512 * MIB, 512 * MIB
PATIENCE = 180  # seconds for what takes less than one on an idle host
POLL = 0.02
SETTLE = 0.3  # seconds after the device says it is done, for what the guest still has to do


@dataclass(frozen=True)
class Cost:
    """Of one resize: guest instructions per page without the background's, queue notifications, and how many bytes it
    was away from its aim when we gave up waiting."""
    instructions: float
    notifications: int
    missed: int


class Balloons:
    """The machine, for `with`."""

    def __init__(self, kernel, add=()):
        self._folder = tempfile.TemporaryDirectory(prefix="tiermem-bench-")
        folder = Path(self._folder.name)
        self.meter = Tiermeter(folder / "counts")
        self.notified = folder / "notified"
        self.machine = Machine(Config(
            kernel=kernel, fast=FAST, slow=SLOW, cpus=1, accel="tcg", add=list(add),
            append="memhp_default_state=online_movable",
            qemu_args=[*self.meter.arguments(), *_peers(), "-trace", "virtio_queue_notify", "-D", str(self.notified)]),
            name=f"bench-resize-{kernel}")

    def __enter__(self):
        self.machine.start()
        tiers.wait_probed(self.machine)
        tiers.tiering(self.machine, False)  # the cost of resizing is measured, and nothing else
        self._full = self.machine.qmp("query-balloon")["actual"]
        self._fast = FAST
        return self

    def __exit__(self, *_):
        self.machine.stop()
        self._folder.cleanup()

    # Devices, as cost() takes them.

    def tiermem(self, taken):
        """Sets how many bytes are to be taken; returns a function that says how many are taken now."""
        self.machine.qmp("tiermem-set-quota", id="tm0", tiers=[{"tier": 0, "size": FAST - taken}])
        return self._surrendered

    def balloon(self, taken):
        """The same for virtio-balloon."""
        self.machine.qmp("balloon", value=self._full - taken)
        return lambda: self._full - self.machine.qmp("query-balloon")["actual"]

    def memory_device(self, given):
        """The same for virtio-mem, which gives instead."""
        path = "/machine/peripheral/vm0"
        self.machine.qmp("qom-set", path=path, property="requested-size", value=given)
        return lambda: self.machine.qmp("qom-get", path=path, property="size")

    def _surrendered(self):
        """From the event, which costs the guest nothing; query-tiermem would ask it for statistics."""
        for event in self.machine.events("TIERMEM_QUOTA_CHANGE"):
            if event["data"]["tier"] == 0:
                self._fast = event["data"]["actual"]
        return FAST - self._fast

    # measuring

    def cost(self, device, size):
        """What a resize to `size` by one of the devices above costs."""
        before, kicks, start = self.meter.now(), self.notifications(), time.monotonic()
        missed = self._reach(device(size), size)
        time.sleep(SETTLE)
        after, kicks, wall = self.meter.now(), self.notifications() - kicks, time.monotonic() - start
        time.sleep(wall)
        background = self.meter.now() - after
        return Cost(((after - before).all - background.all) / PAGES, kicks, missed)

    def _reach(self, current, size):
        """Waits; returns the bytes that are missing."""
        deadline = time.monotonic() + PATIENCE
        while (missed := abs(current() - size)) and time.monotonic() < deadline:
            self.machine.check_alive()
            time.sleep(POLL)
        return missed

    def notifications(self):
        """How often the guest has notified a device so far."""
        return self.notified.read_text(errors="replace").count("virtio_queue_notify ") if self.notified.exists() else 0


def _peers():
    total = FAST + SLOW
    return ["-device", "virtio-balloon-pci,id=vb0",
            "-m", f"slots=1,maxmem={total + PLUGGABLE + 1024 * MIB}B",
            "-object", f"memory-backend-ram,id=pluggable,size={PLUGGABLE}B",
            "-device", "virtio-mem-pci,id=vm0,memdev=pluggable,node=1,block-size=2M,requested-size=0"]
