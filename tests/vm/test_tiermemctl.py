# SPDX-License-Identifier: GPL-2.0-or-later
"""tiermemctl against real machines: on a monitor of their own, with the driver bound; and through libvirt."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiers
from tiers import MIB

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/unit/tiermemctl"))
from fake_qmp import FakeMachine  # noqa: E402

PROGRAM = Path(os.environ.get("TIERMEMCTL", TOP / "build/tools/tiermemctl/tiermemctl"))
QEMU = TOP / "build/qemu/bin/qemu-system-x86_64"
PATIENCE = 300

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built (meson compile -C build)")


def run(*words, status=0):
    """stdout of tiermemctl."""
    done = subprocess.run([PROGRAM, *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def machine(boot, tmp_path):
    """A function that boots a machine with the driver bound and a monitor for others at NAME.qmp."""
    def start(name, **settings):
        one = boot(kernel="6.12", qmp_socket=str(tmp_path / f"{name}.qmp"), **settings)
        tiers.wait_probed(one)
        return one
    return start


@pytest.fixture
def places(tmp_path):
    return ["--socket", f"{tmp_path}/*.qmp", "--timeout", "60s"]


@pytest.mark.full
def test_every_command_on_a_machine_that_runs(machine, places):
    one = machine("web1")
    (seen,) = json.loads(run("list", "--json", *places))
    assert seen["machine"] == "web1" and seen["device"]["driver-ready"]
    assert seen["device"]["tiers"][0]["requested"] == 512 * MIB
    assert run("list", *places).splitlines()[1].split()[:3] == ["web1", "ready", "burstable"]
    with subprocess.Popen([PROGRAM, "watch", "--json", "--count", "1", *places], text=True, stdout=subprocess.PIPE) as watch:
        assert json.loads(watch.stdout.readline())["notice"] == "watched"
        # The other monitor of this machine, as `watch` holds the one that tiermemctl has.
        tiers.set_quota(one, fast=384 * MIB)
        event = json.loads(watch.stdout.readline())
        assert event["event"] == "TIERMEM_QUOTA_CHANGE" and event["machine"] == "web1"
        assert watch.wait(PATIENCE) == 0
    out = run("set-quota", "web1", "--fast", "320M", "--slow", "448M", "--wait", "4m", *places)
    assert out == "web1: fast 384M -> 320M, slow 512M -> 448M\n"
    assert tiers.values(one, "actual") == [320 * MIB, 448 * MIB]
    run("set-qos", "web1", "--class", "guaranteed", "--weight", 300, "--fast-min", "64M", "--cpu-budget", 20, *places)
    qos = tiers.device(one)["qos"]
    assert (qos["class"], qos["weight"], qos["fast-min"], qos["cpu-budget"]) == ("guaranteed", 300, 64 * MIB, 20)
    shown = run("show", "web1", *places)
    assert "320M" in shown and "guaranteed" in shown and "driver ready" in shown
    table = run("top", "--once", "--interval", "100ms", *places).splitlines()
    assert table[2].split()[:6] == ["web1", "guar", "300", "320M", "320M", table[2].split()[5]]
    assert 'tiermem_tier_actual_bytes{machine="web1",tier="slow"} 469762048' in run("export", "--once", *places)


NO_DRIVER = "no driver is ready"
MOST = 383 * MIB  # three quarters of 512 MiB, less what rounding takes


def total_resident(machines):
    return sum(tiers.values(one, "resident")[0] for one in machines)


@pytest.mark.full
def test_balance_of_two_machines_one_of_which_loses_its_driver(machine, places, tmp_path):
    """By weight alone, as what guests say of their heat is not the point here. What one has given up the other gets; a
    machine without driver counts with all that it may use, and comes back."""
    machines = [machine("a", fast_quota=256 * MIB), machine("b", fast_quota=256 * MIB)]
    policy = tmp_path / "policy.toml"
    policy.write_text('fast-total = "512M"\npolicy = "static"\ninterval = "1s"\n[tuning]\ngrace = "1ms"\n'
                      '[[machine]]\nname = "a"\nweight = 100\nfast-min = "128M"\n[[machine]]\nname = "b"\nweight = 300\nfast-min = "128M"\n')
    command = [PROGRAM, "balance", "--policy-file", policy, "--state", tmp_path / "state.json", "--json", *places]
    with subprocess.Popen([str(word) for word in command], text=True, stdout=subprocess.PIPE) as balance:
        def until(condition):
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                step = json.loads(balance.stdout.readline())
                assert total_resident(machines) <= 512 * MIB
                if condition({one["machine"]: one for one in step["machines"]}):
                    return
            raise AssertionError(f"not within {PATIENCE} s: {step}")
        until(lambda seen: seen["a"]["requested"] < 129 * MIB and seen["b"]["requested"] >= MOST)
        tiers.until(lambda: tiers.reached(machines[1]), lambda: tiers.tiers(machines[1]))
        machines[0].run("rmmod virtio_tiermem")
        until(lambda seen: seen["a"].get("note") == NO_DRIVER and seen["b"]["requested"] < MOST)
        machines[0].run("modprobe virtio_tiermem")
        until(lambda seen: seen["a"].get("note") != NO_DRIVER and seen["b"]["requested"] >= MOST)
        balance.send_signal(signal.SIGTERM)
        assert balance.wait(PATIENCE) == 0


# libvirt

DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>lv1</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model fallback='allow'>qemu64</model><numa>
    <cell id='0' cpus='0' memory='128' unit='MiB'/><cell id='1' memory='128' unit='MiB'/></numa></cpu>
  <devices><emulator>{qemu}</emulator><controller type='usb' model='none'/><memballoon model='none'/></devices>
  <qemu:commandline>
    <qemu:arg value='-device'/><qemu:arg value='virtio-tiermem,id=tm0,fast-node=0,slow-node=1,addr=0x10'/>
    <qemu:arg value='-L'/><qemu:arg value='/usr/share/seabios'/><qemu:arg value='-L'/><qemu:arg value='/usr/share/qemu'/>
  </qemu:commandline>
</domain>
"""
NOBODY = 65534


class Libvirtd:
    """A libvirtd of the test's own, run as nobody in a folder of its own, so that it meets none of the host's."""

    def __init__(self, folder):
        self.folder = folder
        self.uri = f"qemu+unix:///session?socket={folder}/run/libvirt/libvirt-sock"
        self.process = None

    def start(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_RUNTIME_DIR": f"{self.folder}/run",
                       "XDG_CONFIG_HOME": f"{self.folder}/config", "XDG_CACHE_HOME": f"{self.folder}/cache"}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("libvirtd"), "--timeout", "3600"], env=environment, user=NOBODY,
                                            group=NOBODY, extra_groups=[], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        tiers.until(lambda: self.virsh("list", check=False).returncode == 0, lambda: (self.folder / "log").read_text())

    def stop(self):
        self.process.kill()
        self.process.wait()

    def virsh(self, *words, check=True):
        return subprocess.run(["virsh", "-q", "-c", self.uri, *map(str, words)], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=check, timeout=PATIENCE)


@pytest.fixture
def libvirtd():
    if not shutil.which("libvirtd") or not shutil.which("virsh"):
        pytest.skip("libvirtd and virsh are not installed (Debian: libvirt-daemon, libvirt-clients)")
    if os.getuid() != 0:
        pytest.skip("a libvirtd of its own is run as nobody, which takes root")
    # Not pytest's folder: its path is too long for libvirt's sockets, and not open to nobody.
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/tiermem-lv.XXXXXX"], text=True, stdout=subprocess.PIPE, check=True).stdout.strip())
    (folder / "run").mkdir()
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
    daemon = Libvirtd(folder)
    daemon.start()
    (folder / "domain.xml").write_text(DOMAIN.format(qemu=QEMU))
    made = daemon.virsh("create", folder / "domain.xml", check=False)
    try:
        assert made.returncode == 0, made.stdout
        yield daemon
    finally:
        if daemon.process.poll() is not None:  # a test that has failed may have left it so; its domain lives on
            daemon.start()
        daemon.virsh("destroy", "lv1", check=False)
        daemon.stop()
        shutil.rmtree(folder)


STEPS = 60


@pytest.mark.full
def test_balance_outlives_libvirtd(libvirtd, tmp_path):
    """While no libvirtd is there the domain keeps what it might use, and a machine beside it is served; two intervals
    after there is one again, the domain takes part. Its guest has no driver, so it counts with its whole tier."""
    policy, size = tmp_path / "policy.toml", 128 * MIB
    text = ('fast-total = "512M"\npolicy = "static"\ninterval = "1s"\n[tuning]\ngrace = "1ms"\n'
            '[[machine]]\nname = "other"\nweight = 300\n')
    policy.write_text(text + 'fast-max = "64M"\n')
    command = [PROGRAM, "balance", "--policy-file", policy, "--json", "--connect", libvirtd.uri, "--socket", tmp_path / "other.qmp",
               "--timeout", "60s"]
    with FakeMachine(tmp_path / "other.qmp", quota=64 * MIB) as other, \
            subprocess.Popen([str(word) for word in command], text=True, stdout=subprocess.PIPE) as balance:
        def until(condition):
            for number in range(STEPS):
                step = json.loads(balance.stdout.readline())
                seen = {one["machine"]: one for one in step["machines"]}
                assert step["excess"] == 0 and step["gone"] == [] and seen["lv1"]["reach"] == size
                if condition(seen):
                    return number
            raise AssertionError(f"not within {STEPS} steps: {step}")
        try:
            assert until(lambda seen: seen["lv1"]["note"] == NO_DRIVER) == 0
            libvirtd.stop()
            until(lambda seen: seen["lv1"]["note"] == "unreachable")
            policy.write_text(text)
            balance.send_signal(signal.SIGHUP)
            until(lambda seen: seen["other"]["requested"] >= MOST)
            libvirtd.start()
            # The step that is under way may have looked before.
            assert until(lambda seen: seen["lv1"]["note"] == NO_DRIVER) <= 2
            assert other.tiers[0]["requested"] >= MOST
        finally:
            balance.kill()


@pytest.mark.full
def test_domains_of_libvirt(libvirtd):
    """No guest runs in this one: what is tested is the way to its device, and that a new libvirtd is found again."""
    places = ["--connect", libvirtd.uri, "--timeout", "60s"]
    (seen,) = json.loads(run("list", "--json", *places))
    assert seen["machine"] == "lv1" and seen["device"]["tiers"][0]["size"] == 128 * MIB
    assert run("set-quota", "lv1", "--fast", "64M", *places).startswith("lv1: fast 128M -> 64M")
    with subprocess.Popen([PROGRAM, "watch", "--json", *places], text=True, stdout=subprocess.PIPE) as watch:
        assert json.loads(watch.stdout.readline())["notice"] == "watched"
        run("set-quota", "lv1", "--fast", "96M", *places)
        assert json.loads(watch.stdout.readline())["event"] == "TIERMEM_QUOTA_CHANGE"
        libvirtd.stop()
        assert json.loads(watch.stdout.readline())["notice"] == "gone"
        libvirtd.start()
        assert json.loads(watch.stdout.readline())["notice"] == "watched"
        run("set-quota", "lv1", "--fast", "32M", *places)
        assert json.loads(watch.stdout.readline())["event"] == "TIERMEM_QUOTA_CHANGE"
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(PATIENCE) == 0
    assert "QEMU refused" not in run("set-qos", "lv1", "--weight", "50", *places)
    libvirtd.virsh("destroy", "lv1")
    assert json.loads(subprocess.run([PROGRAM, "list", "--json", *places], text=True, stdout=subprocess.PIPE).stdout or "[]") == []
