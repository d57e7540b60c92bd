# SPDX-License-Identifier: GPL-2.0-or-later
"""What a resize by 256 MiB costs an idle guest, beside virtio-balloon and virtio-mem; what the first surrender costs.

Costs are guest instructions per 4 KiB page and notifications, medians over rounds in one run of one guest.
"""

import statistics
import sys

from balloons import AMOUNT, Balloons, Cost
from first_surrender import first_surrender_rows
from tiermem_bench import Row
from tiermem_build import log, paths

sys.path.append(str(paths.TOP / "tests/vm/guest"))
import programs  # noqa: E402

KERNELS = ["6.12", "6.1"]
ROUNDS = 3
# `fragment` fills all memory but so many MiB (less would run the guest out of memory) and frees every second page.
# The kernel's proactive compaction would undo that in the background, at a cost that has nothing to do with a resize.
LEFT_FREE = 160
FRAGMENT = ("echo 0 >/proc/sys/vm/compaction_proactiveness && mount -o remount,size=100%,nr_inodes=0 /tmp && "
            f"mkdir /tmp/spread && fragment /tmp/spread {LEFT_FREE}")
BALLOON_DIRECTIONS = {"surrender": "inflate", "reclaim": "deflate"}
MEMORY_DEVICE_DIRECTIONS = {"surrender": "unplug", "reclaim": "plug"}
UNIT = "instructions/page"


def rows():
    """All rows, kernel by kernel."""
    for kernel in KERNELS:
        yield from idle_rows(kernel)
        yield from fragmented_rows(kernel)
        yield from first_surrender_rows(kernel)


def measure(balloons, devices):
    """{action: Cost}, medians over the rounds. devices: (action away, action back, device, sizes away and back)."""
    costs = {}
    for number in range(ROUNDS):
        for away, back, device, size_away, size_back in devices:
            log.step(f"round {number + 1} of {ROUNDS}: {away}, {back}")
            costs.setdefault(away, []).append(balloons.cost(device, size_away))
            costs.setdefault(back, []).append(balloons.cost(device, size_back))
    return {action: middle(many) for action, many in costs.items()}


def middle(costs):
    """Medians, and the worst miss."""
    return Cost(statistics.median(cost.instructions for cost in costs),
                statistics.median(cost.notifications for cost in costs), max(cost.missed for cost in costs))


def both_ways(balloons):
    """virtio-tiermem and virtio-balloon, as measure() takes them."""
    return [("surrender", "reclaim", balloons.tiermem, AMOUNT, 0),
            ("inflate", "deflate", balloons.balloon, AMOUNT, 0)]


def idle_rows(kernel):
    """An idle guest whose memory is free."""
    with Balloons(kernel) as balloons:
        costs = measure(balloons, [("plug", "unplug", balloons.memory_device, AMOUNT, 0), *both_ways(balloons)])
    for ours, theirs in BALLOON_DIRECTIONS.items():
        yield from compare(f"{kernel}: {ours}", costs[ours], f"virtio-balloon {theirs}", costs[theirs],
                           "<= 0.05", "<= 0.02")
    for ours, theirs in MEMORY_DEVICE_DIRECTIONS.items():
        yield from compare(f"{kernel}: {ours}", costs[ours], f"virtio-mem {theirs}", costs[theirs], "< 1", None)


def fragmented_rows(kernel):
    """A guest whose free memory is single pages between page cache and slab."""
    with Balloons(kernel, add=[programs.build("fragment")]) as balloons:
        log.step(f"{kernel}: spreading page cache and slab over the guest's memory")
        balloons.machine.run(FRAGMENT, timeout=900)
        costs = measure(balloons, both_ways(balloons))
    for ours, theirs in BALLOON_DIRECTIONS.items():
        yield from compare(f"{kernel}, fragmented: {ours}", costs[ours], f"virtio-balloon {theirs}", costs[theirs],
                           "<= 1", "<= 1")


def compare(what, ours, peer, theirs, bar, notification_bar):
    """Rows of both costs beside a peer's, their ratios with the bars, and that the size was reached."""
    yield Row(f"{what}, missed of it", ours.missed, "bytes", peer, theirs.missed, "== 0")
    yield Row(what, ours.instructions, UNIT, peer, theirs.instructions)
    yield Row(what, ours.instructions / theirs.instructions, "ratio", peer, 1, bar)
    if notification_bar:
        yield Row(f"{what}, notifications", ours.notifications, "notifications", peer, theirs.notifications)
        yield Row(f"{what}, notifications", ours.notifications / theirs.notifications, "ratio", peer, 1,
                  notification_bar)
