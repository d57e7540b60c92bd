# SPDX-License-Identifier: GPL-2.0-or-later
"""The approaches to tiering that are measured beside each other, each as the set-up of a guest.

A set-up is shell text for busybox that runs after boot and before the program; FAST and SLOW are the bytes of the
nodes. Guest-physical memory of the fast node comes first, both are below 3 GiB and so without a hole.
"""

from dataclasses import dataclass

# What Linux does by itself with two nodes is switched off first, so that each peer has only what it asks for.
QUIET = "echo 0 >/proc/sys/kernel/numa_balancing\necho 0 >/sys/kernel/mm/numa/demotion_enabled\n"
BALANCING = "echo 2 >/proc/sys/kernel/numa_balancing\necho 1 >/sys/kernel/mm/numa/demotion_enabled\n"
# An exchange of two pages is one up and one down.
TIERING = "/sys/bus/virtio/drivers/virtio_tiermem/virtio*/tiering"
SCHED = "/sys/kernel/debug/sched/numa_balancing"


@dataclass(frozen=True)
class Peer:
    """`place` is tierload's --place; `tiermem`: with our device and driver."""
    what: str
    setup: str = ""
    place: str = "none"
    tiermem: bool = False
    hypervisor: str = ""  # what the meter, as a hypervisor that tiers from outside, charges (hv-charge of its options)
    watch: str = ""  # files that count the bytes moved, as shell patterns
    shown: str = ""  # files that are kept with the run as they are at its end


def _write(file, value):
    return f"echo {value} >{file}\n"


@dataclass(frozen=True)
class Damon:
    """Two monitors of physical memory (DAMON's paddr): one promotes from the slow node, one demotes from the fast one.
    Intervals are (sampling, aggregation, update) in microseconds, ages and applying in the units of sysfs."""
    intervals: tuple = (5_000, 100_000, 60_000_000)
    regions: tuple = (10, 1000)
    quota_bytes: int = 200 << 20  # of a second, for each direction
    apply_us: int = 1_000_000
    hot_accesses: int = 1  # of aggr / sampling samples: from so many on a region is promoted
    cold_age: int = 0  # aggregations without an access, from which on a region is demoted
    young: bool = True  # each page's access bit is looked at once more before it is moved

    def setup(self):
        """Shell text."""
        text = "cd /sys/kernel/mm/damon/admin/kdamonds\n" + _write("nr_kdamonds", 2)
        text += self._monitor(0, "$FAST", "$((FAST + SLOW))", "migrate_hot", 0, self.hot_accesses, 0)
        text += self._monitor(1, "0", "$FAST", "migrate_cold", 1, 0, self.cold_age)
        return text + "cd /\n"

    def _monitor(self, number, start, end, action, target, accesses, age):
        highest = self.intervals[1] // self.intervals[0]
        files = [
            ("nr_contexts", 1), ("0/operations", "paddr"),
            *zip([f"0/monitoring_attrs/intervals/{name}_us" for name in ("sample", "aggr", "update")], self.intervals),
            ("0/monitoring_attrs/nr_regions/max", self.regions[1]), ("0/monitoring_attrs/nr_regions/min", self.regions[0]),
            ("0/targets/nr_targets", 1), ("0/targets/0/regions/nr_regions", 1),
            ("0/targets/0/regions/0/start", start), ("0/targets/0/regions/0/end", end),
            ("0/schemes/nr_schemes", 1), ("0/schemes/0/action", action), ("0/schemes/0/target_nid", target),
            ("0/schemes/0/apply_interval_us", self.apply_us),
            ("0/schemes/0/access_pattern/sz/min", 4096), ("0/schemes/0/access_pattern/sz/max", 1 << 40),
            ("0/schemes/0/access_pattern/nr_accesses/min", accesses),
            ("0/schemes/0/access_pattern/nr_accesses/max", highest if accesses else 0),
            ("0/schemes/0/access_pattern/age/min", age), ("0/schemes/0/access_pattern/age/max", (1 << 32) - 1),
            ("0/schemes/0/quotas/bytes", self.quota_bytes), ("0/schemes/0/quotas/reset_interval_ms", 1000),
            ("0/schemes/0/quotas/weights/sz_permil", 0), ("0/schemes/0/quotas/weights/nr_accesses_permil", 100),
            ("0/schemes/0/quotas/weights/age_permil", 100)]
        if self.young:
            # A filter keeps out what matches: not young when promoting, young when demoting.
            files += [("0/schemes/0/filters/nr_filters", 1), ("0/schemes/0/filters/0/type", "young"),
                      ("0/schemes/0/filters/0/matching", "N" if accesses else "Y")]
        lines = "".join(_write(f"{number}/contexts/{name}", f'"{value}"') for name, value in files)
        return lines + _write(f"{number}/state", "on")


def _balancing(**values):
    return BALANCING + "".join(_write(f"{SCHED}/{name}", value) for name, value in values.items())


PEERS = {
    "none": Peer("nothing is moved: pages stay where they were first touched"),
    "slow": Peer("all of the program's memory is slow", place="slow"),
    "ideal": Peer("the hottest pages are fast, known beforehand and placed at first touch", place="ideal"),
    # Documentation/admin-guide/sysctl/kernel.rst (numa_balancing = 2) and ABI/testing/sysfs-kernel-mm-numa.
    "balancing": Peer("NUMA balancing in its tiering mode with demotion, as documented", _balancing()),
    "balancing-tuned": Peer("the same, going over all memory every few seconds instead of once a minute",
                            _balancing(scan_period_max_ms=8000)),
    # The values of the kernel's own sample, samples/damon/mtier.c, less what 6.12 has not (goals, tuned intervals).
    "damon": Peer("DAMON with migrate_hot and migrate_cold, as in the kernel's sample", Damon().setup()),
    "damon-tuned": Peer("the same, fewer moves: smaller quota, regions that are clearly hot or have long been cold",
                        Damon(quota_bytes=32 << 20, regions=(100, 1000), hot_accesses=5, cold_age=20,
                              intervals=(5_000, 100_000, 1_000_000)).setup()),
    # A model in the meter, docs/tiermeter.md. The guest has one node and knows nothing of tiers.
    "hypervisor": Peer("a hypervisor that tiers from outside by the second-level page tables' access bits", hypervisor="all"),
    "hypervisor-free": Peer("the same if its tracking cost nothing: what losing virtual addresses alone costs",
                            hypervisor="copies"),
    "tiermem": Peer("virtio-tiermem: the driver as it comes, no setting", tiermem=True,
                    watch=f"{TIERING}/promoted {TIERING}/demoted", shown=f"{TIERING}/*"),
}


def unknown(names):
    """A text that says which of the names are no peers and which there are; None when all are."""
    wrong = [name for name in names if name not in PEERS]
    return f"peer '{wrong[0]}' is unknown; there are: {', '.join(PEERS)}" if wrong else None
