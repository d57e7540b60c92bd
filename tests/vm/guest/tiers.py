# SPDX-License-Identifier: GPL-2.0-or-later
"""The two tiers of a machine as a test sees them: by QMP, in the guest's sysfs, in the host's memory."""

import re
import time

import pytest
from tiermem_build import debug_kernel

MIB = 1 << 20
PAGE = 4096
NAMES = ["fast", "slow"]
SYSFS = "/sys/bus/virtio/drivers/virtio_tiermem/virtio*"
PATIENCE = 120  # seconds for what takes one or two on an idle host

# For tests of what hardly depends on the guest's kernel: the older one only where there is time for everything.
newest_kernel_unless_full = pytest.mark.parametrize("kernel", [pytest.param("6.1", marks=pytest.mark.full), "6.12"])


def need_debug_kernel(request):
    """Skips the test where it would have to be built first, unless there is time for everything."""
    if request.config.getoption("--level") != "full" and not debug_kernel.cached():
        pytest.skip("the debug kernel is not in the cache: scripts/guest-kernel debug or scripts/test --full makes it")


def until(condition, what, timeout=PATIENCE, pause=0.1):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what()}"
        time.sleep(pause)
    return value


def wait_probed(machine, times=1):
    """Waits until the driver's probe() has returned; `times`: how often it has been bound since QEMU started. (The
    device counts as bound as soon as probe() is called.)"""
    until(lambda: machine.console.count(" tier 1: node 1, ") >= times, lambda: machine.console[-2000:])


def device(machine):
    """query-tiermem's answer for the one device."""
    return machine.qmp("query-tiermem")[0]


def tiers(machine):
    """query-tiermem's tiers, fast then slow."""
    return device(machine)["tiers"]


def values(machine, key):
    """[fast, slow] of one of the numbers of query-tiermem."""
    return [tier[key] for tier in tiers(machine)]


def set_quota(machine, fast=None, slow=None, **more):
    """tiermem-set-quota for the tiers that are given, in one call; bytes."""
    wanted = [{"tier": number, "size": size} for number, size in enumerate((fast, slow)) if size is not None]
    machine.qmp("tiermem-set-quota", id="tm0", tiers=wanted, **more)


def reached(machine):
    """Whether both quotas are met exactly."""
    return all(tier["actual"] == tier["requested"] for tier in tiers(machine))


def wait_reached(machine, timeout=PATIENCE):
    """Waits until both quotas are met exactly."""
    until(lambda: reached(machine), lambda: f"{tiers(machine)}\n{states(machine)}", timeout)


def resize(machine, fast=None, slow=None):
    """Sets quotas and waits until they are met."""
    set_quota(machine, fast, slow)
    wait_reached(machine)


def sysfs(machine, name):
    """[fast, slow] of a number in the tiers' sysfs folders."""
    return [int(word) for word in machine.run(f"cat {SYSFS}/tier0/{name} {SYSFS}/tier1/{name}").output.split()]


def states(machine):
    """What the workers of the tiers do, fast then slow."""
    return machine.run(f"cat {SYSFS}/tier0/state {SYSFS}/tier1/state", check=False).output.split()


def mem_total(machine):
    """The guest's MemTotal: bytes of the whole guest, and of nodes 0 and 1."""
    text = machine.run("cat /proc/meminfo /sys/devices/system/node/node[01]/meminfo").output
    whole, *nodes = [int(number) * 1024 for number in re.findall(r"MemTotal: +(\d+) kB", text)]
    return whole, nodes


def node_used(machine):
    """Bytes of nodes 0 and 1 that the guest uses."""
    text = machine.run("cat /sys/devices/system/node/node[01]/meminfo").output
    return [int(number) * 1024 for number in re.findall(r"MemUsed: +(\d+) kB", text)]


def on_cpu_lists(machine):
    """Bytes of nodes 0 and 1 that lie on the CPUs' free lists: node_used() counts them, yet they are free, and the
    kernel takes them back before it calls itself out of memory. 6.12 lets them grow to 100 MiB and more."""
    text = machine.run("cat /proc/zoneinfo").output
    listed = [0, 0]
    for node, zone in re.findall(r"^Node (\d+), zone(.*?)(?=^Node|\Z)", text, re.M | re.S):
        listed[int(node)] += sum(map(int, re.findall(r"^ +count: (\d+)", zone, re.M))) * PAGE
    return listed


def node_taken(machine):
    """Bytes of nodes 0 and 1 that are not free for programs, what the kernel keeps out of MemTotal included."""
    free = zip(values(machine, "actual"), sysfs(machine, "free"), on_cpu_lists(machine))
    return [actual - free - listed for actual, free, listed in free]


def tiering(machine, on):
    """Turns the moving of pages between tiers on or off; off, the sampler is left to the test."""
    machine.run(f"for file in {SYSFS}/tiering/enabled; do echo {int(on)} >$file; done")


def kills(machine):
    """Processes that the guest's kernel has killed for want of memory since it booted."""
    return int(machine.run("awk '$1 == \"oom_kill\" { print $2 }' /proc/vmstat").output)


def counters(machine):
    """The guest's /proc/vmstat."""
    text = machine.run("cat /proc/vmstat").output
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


def growth(before, after, names):
    """{name: by how much} of two counters(), for those that the guest's kernel has: the debug kernel counts no events."""
    return {name: after[name] - before[name] for name in names if name in after}


def settled(machine):
    """Counters once nothing is isolated any more."""
    def isolated():
        found = counters(machine)
        return found["nr_isolated_anon"] + found["nr_isolated_file"]
    until(lambda: isolated() == 0, lambda: f"{isolated()} pages are isolated")
    return counters(machine)


def start(machine, command, log):
    """Runs a command in the guest's background, with its output in a file there; `log`.status gets its status. What an
    earlier command has left there is gone when this returns."""
    machine.run(f"rm -f {log} {log}.status; : >{log}; ( ( {command} ) >{log} 2>&1 </dev/null; echo $? >{log}.status ) >/dev/null 2>&1 &")


def enter(cgroup):
    """Shell text before a command that is to be in a cgroup; None: in the root."""
    return f"echo 0 >/sys/fs/cgroup/{cgroup}/cgroup.procs && " if cgroup else ""


def finished(machine, log):
    """(status, output) of a background command that has ended, or None."""
    text = machine.run(f"cat {log}.status 2>/dev/null", check=False).output.strip()
    return (int(text), machine.run(f"cat {log}").output) if text else None


def trace(machine, *events):
    """Starts to record trace events of the guest's kernel afresh, as group or group/event, with a large buffer."""
    tracing = "/sys/kernel/tracing"
    machine.run(f"cd {tracing} && echo 0 >tracing_on && echo nop >current_tracer && echo 4096 >buffer_size_kb && "
                "echo mono >trace_clock && echo >trace && echo >set_event && "
                + " && ".join(f"echo 1 >events/{event}/enable" for event in events) + " && echo 1 >tracing_on")


def traced(machine, event):
    """[(guest seconds, {field: text})] of a trace event, oldest first."""
    text = machine.run(f"grep ' {event}: ' /sys/kernel/tracing/trace", check=False).output
    lines = re.findall(rf"(\d+\.\d+): {event}: (.*)", text)
    return [(float(when), dict(re.findall(r"(\w+)=(\S+)", fields))) for when, fields in lines]
