# SPDX-License-Identifier: GPL-2.0-or-later
"""Three real machines share a host's fast memory while things befall them. All the time, ten times a second, the host's
kernel is asked what it holds of their fast memory: never more than the total."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import programs
import pytest
import tiers
from tiermem_vm import host_memory
from tiers import MIB

TOP = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TIERMEMCTL", TOP / "build/tools/tiermemctl/tiermemctl"))
NAMES = ["a", "b", "c"]
TOTAL = 624 * MIB
LEAST = 160  # MiB that each is promised; kernel and programs below take more than is slow
HELD = 192  # MiB of programs: fast memory is full whatever the quota
STEP = 8 * MIB  # what rounding and a step under way may make of a share
SAMPLE = 0.1  # seconds
ANSWER = "15s"  # machines that run answer sooner; one that is stopped makes each step last that long
PATIENCE = 400

pytestmark = [pytest.mark.full,
              pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built (meson compile -C build)")]


class Residents(threading.Thread):
    """Adds up what the host's kernel has populated of the machines' fast memory, for as long as they live."""

    def __init__(self, machines):
        super().__init__(daemon=True)
        self.blocks = {one.pid: host_memory.block_address(one.hmp("info ramblock"), "fast") for one in machines}
        self.most = self.samples = 0
        self.over = threading.Event()

    def sum(self):
        found = 0
        for pid, block in self.blocks.items():
            try:
                found += host_memory.resident(pid, *block)
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has been killed
        return found

    def run(self):
        while not self.over.wait(SAMPLE):
            self.most = max(self.most, self.sum())
            self.samples += 1


class Balance:
    """`tiermemctl balance` by weight alone: what guests say of their heat is not the point here."""

    def __init__(self, folder):
        self.policy, self.state = folder / "policy.toml", folder / "state.json"
        self.command = [PROGRAM, "balance", "--policy-file", self.policy, "--state", self.state, "--json", "--socket",
                        f"{folder}/*.qmp", "--timeout", ANSWER]
        self.weights(1, 1, 1)
        self.start()

    def weights(self, *weights):
        """Written as a whole; a running controller reads it when it is told."""
        text = f'fast-total = "{TOTAL}"\npolicy = "static"\ninterval = "1s"\n[tuning]\ngrace = "1ms"\n'
        for name, weight in zip(NAMES, weights):
            text += f'[[machine]]\nname = "{name}"\nweight = {weight}\nfast-min = "{LEAST}M"\n'
        self.policy.write_text(text)

    def start(self):
        self.process = subprocess.Popen([str(word) for word in self.command], text=True, stdout=subprocess.PIPE)

    def reload(self, *weights):
        self.weights(*weights)
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def step(self):
        """{machine: what the next step says of it}, and the step."""
        line = self.process.stdout.readline()
        assert line, f"tiermemctl has ended with status {self.process.wait()}"
        step = json.loads(line)
        assert "refusal" not in step, step
        return {one["machine"]: one for one in step["machines"]}, step

    def until(self, condition, gone=None):
        """Reads steps until one is as wanted; returns how many it took. `gone`: who may be said to have ended."""
        end, number = time.monotonic() + PATIENCE, 0
        while time.monotonic() < end:
            machines, step = self.step()
            number += 1
            assert set(step["gone"]) <= {gone}, step
            if condition(machines, step):
                return number
        raise AssertionError(f"not within {PATIENCE} s: {step}")


@pytest.fixture
def machines(boot, tmp_path):
    """Three with the driver bound, equal quotas, and programs that fill what they have."""
    started = {}
    for name in NAMES:
        one = started[name] = boot(kernel="6.12", cpus=1, fast=320 * MIB, slow=256 * MIB, fast_quota=TOTAL // 3,
                                   qmp_socket=str(tmp_path / f"{name}.qmp"), add=[programs.build("hog")])
        one.complaints_expected = True  # one that is stopped for a while says so: its clock jumps
        tiers.wait_probed(one)
        tiers.wait_reached(one)
        tiers.start(one, f"hog {HELD} 0", "/tmp/hog")
        tiers.until(lambda one=one: "more_ms" in one.run("cat /tmp/hog").output, lambda: "hog touches memory")
    return started


@pytest.fixture
def residents(machines):
    thread = Residents(machines.values())
    thread.start()
    yield thread
    thread.over.set()
    thread.join()
    print(f"highest of {thread.samples} sums of residents: {thread.most / MIB:.1f} MiB of {TOTAL // MIB}")


def has(name, least):
    """Whether a machine has so much, by its quota and by itself."""
    return lambda seen, _: name in seen and seen[name]["requested"] >= least and seen[name]["quota"] >= least


def note(seen, name):
    return seen[name].get("note", "")


def test_what_befalls_three_machines_is_no_harm_to_the_others(machines, residents, tmp_path):
    balance = Balance(tmp_path)
    try:
        shares(balance)
        a_stopped_machine(balance, machines["b"])
        a_controller_that_is_killed(balance, machines["b"])
        a_machine_that_is_killed(balance, machines)
    finally:
        balance.kill()
        residents.over.set()
    assert residents.samples > 0 and residents.most <= TOTAL


def shares(balance):
    """Memory moves from two machines to the third and back, all of it in use."""
    balance.until(lambda seen, step: len(seen) == len(NAMES))
    balance.reload(1, 1, 8)
    balance.until(has("c", TOTAL - 2 * LEAST * MIB - STEP))
    balance.reload(1, 1, 1)
    balance.until(lambda seen, step: has("a", TOTAL // 3 - STEP)(seen, step) and has("b", TOTAL // 3 - STEP)(seen, step))


def a_stopped_machine(balance, stopped):
    """SIGSTOP: the others go on sharing what is left beside it, and two intervals after SIGCONT it takes part again."""
    os.kill(stopped.pid, signal.SIGSTOP)
    balance.until(lambda seen, step: note(seen, "b") == "unreachable")
    balance.reload(1, 1, 8)
    balance.until(has("c", TOTAL - TOTAL // 3 - LEAST * MIB - STEP))
    os.kill(stopped.pid, signal.SIGCONT)
    # The step that was under way may still have waited in vain.
    assert balance.until(lambda seen, step: note(seen, "b") != "unreachable") <= 3
    balance.until(has("c", TOTAL - 2 * LEAST * MIB - STEP))


def a_controller_that_is_killed(balance, stopped):
    """SIGKILL while a machine does not answer: the next one knows what that may use, and gives it to nobody."""
    balance.reload(1, 8, 1)
    balance.until(has("b", TOTAL - 2 * LEAST * MIB - STEP))
    os.kill(stopped.pid, signal.SIGSTOP)
    balance.kill()
    balance.weights(1, 1, 8)
    balance.start()
    for _ in range(3):
        seen, _ = balance.step()
        assert note(seen, "b") == "unreachable" and seen["b"]["reach"] >= TOTAL - 2 * LEAST * MIB - STEP
        assert seen["c"]["quota"] <= LEAST * MIB + STEP
    os.kill(stopped.pid, signal.SIGCONT)
    balance.until(has("c", TOTAL - 2 * LEAST * MIB - STEP))


def a_machine_that_is_killed(balance, machines):
    """SIGKILL: its memory is the others'."""
    balance.reload(8, 1, 1)
    balance.until(has("a", TOTAL - 2 * LEAST * MIB - STEP))
    machines["c"].process.kill()
    machines["c"].process.wait()
    balance.until(lambda seen, step: "c" in step["gone"], gone="c")
    balance.reload(1, 1, 1)
    balance.until(lambda seen, step: has("b", TOTAL // 2 - STEP)(seen, step) and seen["a"]["requested"] <= TOTAL // 2)
