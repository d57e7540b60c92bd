# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's ends and beginnings: reboot, panic, kexec, removal, suspend, unplug. Nothing leaks, nothing is lost."""

import re

import programs
import pytest
import samples
import tiers
from tiermem_build import image
from tiermem_vm import MachineError
from tiers import MIB

QUOTAS = {"fast_quota": 300 * MIB, "slow_quota": 200 * MIB}
NODE = 512 * MIB
ROUNDS = 50  # of rmmod and modprobe: issue 3
FREEZE_MS = 4000  # of guest time, for a shrink that takes ten seconds where it is emulated


def check_started(machine):
    """A driver that has just been bound has met the quotas."""
    machine.wait_driver()
    tiers.wait_reached(machine)
    assert tiers.values(machine, "requested") == list(QUOTAS.values())


def leave(machine, command):
    """Runs a command that ends the running kernel, and waits for the next one."""
    before = machine.boot_id
    try:
        machine.run(command, timeout=tiers.PATIENCE, check=False)
    except MachineError as problem:
        assert "rebooted" in str(problem), problem
    machine.wait_ready()
    assert machine.boot_id != before


def complaints(machine):
    """What the kernels complained of, but the panic that was asked for, and RCU stalls: a kernel that starts without a
    reset of the time stamp counter may see its clock jump before any module is there."""
    wanted = ("sysrq", "null pointer", "oops: ", "stall on cpu")
    return [line for line in machine.complaints() if not any(word in line.lower() for word in wanted)]


def test_reboot_panic_kexec(boot, kernel):
    """One machine through all ways to another kernel. The new kernel always finds all of its memory, and the device
    everything as it was set. [TM-DEV-RESET-1] [TM-DEV-RESET-2] [TM-DEV-RESET-3] [TM-DRV-RESET-1] [TM-DEV-INIT-2]"""
    parts = image.build("mini", kernel)
    machine = boot(kernel=kernel, **QUOTAS, add=[programs.build("kexec"), (parts["kernel"], "/boot/kernel"),
                                                 (parts["initrd"], "/boot/initrd")])
    machine.complaints_expected = True
    check_started(machine)
    whole = tiers.mem_total(machine)[0]  # of the nodes, the kernel takes its own place from another each time (KASLR)

    leave(machine, "reboot -f")
    check_started(machine)
    machine.reboot()  # QEMU's reset, which the guest does not see coming
    check_started(machine)
    assert abs(tiers.mem_total(machine)[0] - whole) < MIB

    leave(machine, "kexec /boot/kernel /boot/initrd \"$(cat /proc/cmdline)\"")
    check_started(machine)
    assert len(machine.console.split("Linux version ")) - 1 == 4

    leave(machine, "echo c >/proc/sysrq-trigger")
    check_started(machine)
    assert complaints(machine) == []


def test_load_and_unload(guest):
    """50 times: all memory is back each time, the quotas are met each time. [TM-DRV-RESET-1] [TM-DEV-RESET-1]"""
    whole = tiers.mem_total(guest)
    tiers.resize(guest, *QUOTAS.values())
    shrunk = tiers.mem_total(guest)
    for _ in range(ROUNDS):
        guest.run("rmmod virtio_tiermem")
        assert tiers.mem_total(guest) == whole
        assert tiers.values(guest, "actual") == [NODE, NODE]
        guest.run("modprobe virtio_tiermem")
        assert tiers.values(guest, "actual") == list(QUOTAS.values()), "met before modprobe returns"
        assert tiers.mem_total(guest) == shrunk
    tiers.resize(guest, NODE, NODE)
    assert tiers.mem_total(guest) == whole


def zones(machine, field):
    """{(node, zone): one of the numbers of /proc/zoneinfo}"""
    text = machine.run("cat /proc/zoneinfo").output
    return {(node, zone): int(pages) for node, zone, pages in
            re.findall(rf"^Node (\d+), zone +(\w+)$(?:(?!^Node ).)*?^ +{field}:? +(\d+)$", text, re.M | re.S)}


def surrender_across(machine, border):
    """Takes all that the fast node can do without, on both sides of a frame. Again where just that is kept free: what
    was given back is taken first."""
    def taken():
        tiers.resize(machine, NODE)
        tiers.set_quota(machine, fast=0)
        tiers.until(lambda: "waiting" in tiers.states(machine), lambda: tiers.states(machine))
        return machine.run(f"kpageflags {border - 1} {border + 1}").output == "frames=2 offline=2\n"
    assert any(taken() for _ in range(5))


def test_each_zone_has_its_own_back(boot, kernel):
    """What is surrendered reaches over a border of zones: each zone has what it had once all is given back, because the
    quota rises or the driver goes. [TM-DRV-RESET-1]"""
    # A border that frames of both sides are free at; by itself the kernel would lie there now and then.
    machine = boot(kernel=kernel, append="movablecore=256M nokaslr", add=[programs.build("kpageflags")])
    tiers.wait_probed(machine)
    before = zones(machine, "managed")
    border = zones(machine, "start_pfn")["0", "Movable"]
    surrender_across(machine, border)
    assert all(zones(machine, "managed")["0", zone] < before["0", zone] for zone in ("DMA", "DMA32", "Movable"))
    tiers.resize(machine, NODE)
    assert zones(machine, "managed") == before
    surrender_across(machine, border)
    machine.run("rmmod virtio_tiermem")
    assert zones(machine, "managed") == before


def test_unload_in_the_middle(guest):
    """The driver is removed while it surrenders, and while it reclaims; memory in use makes it slow. [TM-DRV-RESET-1]"""
    whole = tiers.mem_total(guest)
    tiers.start(guest, "pattern 3600 200 40", "/tmp/pattern")
    for quotas in ((100 * MIB, 300 * MIB), (NODE, 64 * MIB), (64 * MIB, NODE), (NODE, NODE)) * 3:
        tiers.set_quota(guest, *quotas)
        guest.run("rmmod virtio_tiermem")
        assert tiers.values(guest, "actual") == [NODE, NODE]
        assert tiers.mem_total(guest) == whole
        guest.run("modprobe virtio_tiermem")
    guest.run("killall -TERM pattern")
    status, output = tiers.until(lambda: tiers.finished(guest, "/tmp/pattern"), lambda: "pattern still runs")
    assert status == 0, output


def test_suspend(guest):
    """To RAM (S3): the driver gives all back before, and meets the quotas again when the guest is woken.
    [TM-DRV-RESET-1]"""
    tiers.resize(guest, *QUOTAS.values())
    shrunk = tiers.mem_total(guest)
    if "deep" not in guest.run("cat /sys/power/mem_sleep", check=False).output:
        pytest.skip("this guest's kernel cannot suspend to RAM")
    guest.events()
    # Later, so that the agent has answered before it is frozen.
    tiers.start(guest, "sleep 2; echo mem >/sys/power/state", "/tmp/suspend")
    guest.wait_event("SUSPEND")
    assert tiers.values(guest, "actual") == [NODE, NODE]
    guest.qmp("system_wakeup")
    assert tiers.until(lambda: tiers.finished(guest, "/tmp/suspend"), lambda: guest.console[-2000:]) == (0, "")
    tiers.wait_reached(guest)
    assert tiers.mem_total(guest) == shrunk
    tiers.resize(guest, NODE, NODE)


def unplug(machine):
    machine.qmp("device_del", id="tm0")
    machine.wait_event("DEVICE_DELETED", matches=lambda data: data.get("device") == "tm0")
    assert machine.qmp("query-tiermem") == []
    assert machine.driver_state() == "absent"


def plug(machine):
    machine.qmp("device_add", driver="virtio-tiermem", id="tm0", fast_quota=QUOTAS["fast_quota"],
                slow_quota=QUOTAS["slow_quota"])
    tiers.until(lambda: machine.driver_state() == "bound", lambda: machine.console[-2000:])
    check_started(machine)


@tiers.newest_kernel_unless_full
def test_suspend_does_not_wait_for_a_shrink(boot, kernel):
    """A guest that is on its way to a far smaller quota, and would take longer than a suspend waits for workers, can be
    suspended all the same; it goes on afterwards. [TM-DRV-RESET-1]"""
    machine = boot(kernel=kernel, slow=2 * NODE, add=[programs.build("hog")])
    tiers.wait_probed(machine)
    tiers.tiering(machine, False)  # which would demote in large steps
    tiers.start(machine, "hog 340 0 0", "/tmp/hog")
    tiers.until(lambda: "more_ms" in machine.run("cat /tmp/hog").output, lambda: machine.run("cat /tmp/hog").output)
    machine.run(f"echo {FREEZE_MS} >/sys/power/pm_freeze_timeout")
    tiers.set_quota(machine, fast=150 * MIB)
    tiers.until(lambda: tiers.values(machine, "actual")[0] < NODE - 32 * MIB, lambda: tiers.tiers(machine))
    tiers.start(machine, "echo mem >/sys/power/state", "/tmp/suspend")
    machine.wait_event("SUSPEND")
    machine.qmp("system_wakeup")
    assert tiers.until(lambda: tiers.finished(machine, "/tmp/suspend"), lambda: machine.console[-2000:]) == (0, "")
    tiers.wait_reached(machine)


@tiers.newest_kernel_unless_full
def test_hot_unplug_and_plug(boot, kernel):
    """The device goes and comes back while the guest runs; the new one has quotas of its own. [TM-DRV-RESET-1]
    [TM-DEV-INIT-2]"""
    machine = boot(kernel=kernel, **QUOTAS)
    check_started(machine)
    unplug(machine)
    whole = tiers.mem_total(machine)[0]
    plug(machine)
    assert tiers.mem_total(machine)[0] == whole - (2 * NODE - sum(QUOTAS.values()))


def test_unplug_while_samples_are_read(boot, kernel):
    """A reader that waits for samples does not keep the device, and its file stays good until it is closed, which
    leaves the next device alone."""
    machine = boot(kernel=kernel, **QUOTAS)
    check_started(machine)
    tiers.tiering(machine, False)
    tiers.start(machine, f"exec 3<{samples.STREAM}; for file in {samples.SAMPLER}/enabled; do echo 0 >$file; done; "
                "touch /tmp/open; cat <&3; until [ -e /tmp/close ]; do sleep 0.1; done", "/tmp/reader")
    tiers.until(lambda: machine.run("ls /tmp/open", check=False).status == 0, lambda: machine.console[-2000:])
    unplug(machine)
    plug(machine)
    tiers.wait_probed(machine, 2)
    machine.run("touch /tmp/close")
    status, output = tiers.until(lambda: tiers.finished(machine, "/tmp/reader"), lambda: machine.console[-2000:])
    assert (status, output) == (0, "cat: read error: No such device\n")
    assert samples.counters(machine)["enabled"] == "1"
    machine.run(f"dd if={samples.STREAM} bs={samples.RECORD.size} count=1 of=/dev/null")
