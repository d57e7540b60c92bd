# SPDX-License-Identifier: GPL-2.0-or-later
"""The run from boot to verdict; the program and the image are there already."""

import time

from tiermem_build import log, tierload
from tiermem_vm import Config
from tiermem_vm.accel import choose

from . import autoload, picture, steps, verdict
from .heat import Heat
from .redis import KEYS, Redis
from .steps import BOOT, FAST, SLOW
from .table import Table
from .verdict import Check
from .watch import Watcher

# Quiet, but for warnings, which are looked for at the end; on a busy host the kernel calls a late timer a bug.
WORDS = "quiet loglevel=5 systemd.show_status=false"
RESERVE = 64 << 20  # bytes of a node that stay free when its memory is used once
# Uses the free memory of both nodes once and frees it, as any program would: a host page is only there once its guest
# page has been touched, and only what is there can be seen to go. Debian's kernels clear pages as they allocate them.
TOUCH = f"""
for node in 0 1; do
    free=$(awk '/MemFree/ {{ print $4 * 1024 - {RESERVE} }}' /sys/devices/system/node/node$node/meminfo)
    mount -t tmpfs -o size=100%,mpol=bind:$node tmpfs /mnt && fallocate -l "$free" /mnt/used && umount /mnt || exit 1
done"""


# Under emulation, a CPU whose PEBS is emulated too; with KVM the host's own.
CPUS = {"kvm": "host", "tcg": "Icelake-Server,model=106,x-tcg-pebs=4"}


def configuration(kernel, accel):
    """The machine."""
    config = Config(kernel=kernel, image="debian", accel=accel, fast=FAST, slow=SLOW, fast_quota=BOOT.fast,
                    slow_quota=BOOT.slow, append=WORDS, add=[(tierload.build(), "/usr/bin/tierload")])
    chosen = choose(accel, config.qemu).partition(",")[0]
    config.cpu = CPUS[chosen]
    if chosen == "tcg":  # where all that the guest does takes many times as long
        config.tiermem_options = "cpu-budget=500"
    return config


def run(machine):
    """Starts the machine, does all of it and returns the report; it has "holds"."""
    table = Table()
    begin = time.monotonic()
    log.step(f"booting Debian with kernel {machine.config.kernel}")
    with machine:
        machine.wait_driver()
        log.step(f"the guest is up after {time.monotonic() - begin:.0f} s; console: {machine.place.console}")
        table.title("The driver has come by itself")
        rows, came = autoload.facts(machine)
        table.facts(rows)
        redis = _prepare(machine)
        outcomes, looks = _resize(machine, redis, table)
        heat = Heat(machine, redis.used(), table.heat_row)
        table.title("A second program beside redis; the fast tier holds a third of their data")
        table.heat_head()
        warm = heat.run()
        account = redis.end_load()
        log.step("reading the keys again")
        lost = redis.check(lambda keys: None)
        checks = [Check("the driver was loaded by the device's alias", came, dict(rows)["module"]),
                  *verdict.judge(outcomes, account, lost, machine.complaints()), *warm]
    log.step(f"picture: {picture.draw(heat.looks, heat.ranges)}")
    return _report(checks, outcomes, looks, heat.looks, table)


def _prepare(machine):
    """The guest's memory used once, and redis with its keys."""
    log.step("using the guest's memory once, so that the host holds it")
    machine.run(TOUCH, timeout=120)
    redis = Redis(machine)
    log.step("starting redis-server")
    redis.start()
    redis.write(lambda keys: log.step(f"redis {redis.version()}: {keys:,} of {KEYS:,} keys written") if keys == KEYS else None)
    return redis


def _resize(machine, redis, table):
    """All steps under load, which goes on: (outcomes, looks)."""
    log.step(f"redis holds {redis.used() >> 20} MiB; resizing under redis-benchmark")
    redis.start_load()
    table.title("Resizing while redis works")
    table.head()
    watcher = Watcher(machine)
    looks = []

    def show(name, view):
        looks.append((name, view))
        table.row(name, view)
    view = watcher.look()
    show(BOOT.name, view)
    outcomes = []
    for step in steps.STEPS:
        outcomes.append(steps.take(machine, watcher, step, view, show))
        view = outcomes[-1].after
    return outcomes, looks


def _report(checks, outcomes, looks, heat, table):
    table.title("Verdict")
    table.checks(checks)
    holds = all(check.holds for check in checks)
    return {"holds": holds, "checks": [check.as_json() for check in checks],
            "steps": [outcome.as_json() for outcome in outcomes],
            "looks": [{"phase": name, **view.as_json()} for name, view in looks],
            "heat": [look.as_json() for look in heat]}
