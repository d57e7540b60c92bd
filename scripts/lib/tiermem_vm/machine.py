# SPDX-License-Identifier: GPL-2.0-or-later
"""A running machine: QEMU, its monitor, and the agent in the guest."""

import ctypes
import re
import signal
import socket
import subprocess
import time

from tiermem_build import image

from . import host_memory, qemu_command
from .agent import Agent, Result
from .config import Config
from .errors import MachineError, Timeout
from .place import Place

BOOT_TIMEOUT = 600  # seconds; at load 25 on two CPUs a small guest under TCG takes more than three minutes
MIGRATION_STOP_MS = 60_000  # the longest stop of a guest at the end of its migration
PR_SET_PDEATHSIG = 1
COMPLAINTS = re.compile(r"\b(BUG|KASAN|UBSAN|Oops|general protection fault|Kernel panic)\b[: ]|"
                        r"WARNING: (CPU|possible|suspicious|bad|held|inconsistent|stack|kernel stack)\b|"
                        r"possible circular locking|blocked for more than|rcu.*detected.* stall|soft lockup|"
                        r"Bad page (state|map)|bad-page-state|list_(add|del) corruption|refcount_t:", re.I)
# Prints bound, unbound or absent for the virtio device of our ID.
DRIVER_STATE = """
for device in /sys/bus/virtio/devices/*; do
    case $(cat "$device/modalias") in
    virtio:d0000003Fv*) [ -e "$device/driver" ] && echo bound || echo unbound; exit ;;
    esac
done
echo absent"""


class Machine:
    """Starts with start() or `with`; every method raises MachineError that names the logs when it cannot do its
    work. Not for use from several threads, except run(), which may run as many commands at once as agents exist."""

    def __init__(self, config=None, name="vm"):
        self.config = config or Config()
        self.config.check()
        self.name = name
        self.boot_timeout = BOOT_TIMEOUT
        self.boot_id = None  # of the guest's running kernel
        self.process = None
        self.place = None
        self.complaints_expected = False  # for a test that makes the kernel complain
        self.known_complaints = ()  # texts of those that are the kernel's own fault; the test says why
        self._ends = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # starting and stopping

    def prepare(self):
        """Builds the image if need be, so that start() takes no longer than a boot."""
        image.build(self.config.image, self.config.kernel, self.config.tiermem, self.config.modules)

    def start(self):
        """Starts QEMU and, unless a migration is to come in, waits until the guest can run commands. QEMU ends with
        the thread that has started it."""
        self.place = Place(self.name)
        try:
            self._launch()
            self._connect()
            if not self.config.incoming:
                self.wait_ready(self.boot_timeout)
        except BaseException:
            self.stop()
            raise
        return self

    def _launch(self):
        names = ["qmp", *[f"agent{number}" for number in range(qemu_command.AGENTS)]]
        pairs = {name: socket.socketpair() for name in names}
        self._ends = {name: pair[0] for name, pair in pairs.items()}
        fds = {name: pair[1].fileno() for name, pair in pairs.items()}
        command = qemu_command.build(self.config, self.place, fds)
        libc = ctypes.CDLL(None)
        with open(self.place.errors, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=list(fds.values()),
                # QEMU shall not outlive a script that is killed.
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        for pair in pairs.values():
            pair[1].close()
        self.agents = [Agent(self._ends[name], self.check_alive) for name in names[1:]]

    def _connect(self):
        from qemu.qmp import QMPError
        from qemu.qmp.legacy import QEMUMonitorProtocol
        self.monitor = QEMUMonitorProtocol(self._ends["qmp"])
        self.monitor.settimeout(60)
        try:
            self.monitor.connect()
        except (QMPError, OSError) as problem:
            self.check_alive(patience=10)
            raise MachineError(f"no answer from QEMU's monitor: {problem}\n{self.place.describe()}") from problem

    def stop(self):
        """Ends QEMU at once and removes the private files; the logs stay."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if hasattr(self, "monitor"):
            try:
                self.monitor.close()
            except Exception:  # noqa: BLE001  the connection of a killed QEMU may end in any way
                pass
            del self.monitor
        for end in self._ends.values():
            end.close()
        self._ends = {}
        if self.place:
            self.place.remove_private()

    def check_alive(self, patience=0):
        """Raises MachineError with the logs' names if QEMU has ended, or ends within `patience` seconds."""
        if self.process is None:
            raise MachineError(f"machine {self.name} is not running")
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            return
        raise MachineError(f"QEMU ended with status {self.process.returncode}\n{self.place.describe()}")

    @property
    def console(self):
        """The guest's console so far."""
        return self.place.console.read_text(errors="replace")

    def complaints(self):
        """Lines of the console with which a kernel reports a bug of its own or of a module."""
        return [line for line in self.console.splitlines() if COMPLAINTS.search(line)
                and not any(known in line for known in self.known_complaints)]

    # the guest

    def wait_ready(self, timeout=BOOT_TIMEOUT):
        """Waits for a guest that boots (first start, reboot, kexec) and takes note of its boot id."""
        deadline = time.monotonic() + timeout
        try:
            self.boot_id = [agent.wait_ready(deadline) for agent in self.agents][0]
        except Timeout:
            raise Timeout(f"the guest did not boot within {timeout} s\n{self.place.describe()}") from None

    def run(self, command, timeout=180, sink=None, check=True):
        """Runs a shell command in the guest. With check, a status other than 0 raises."""
        pieces = []

        def collect(data):
            pieces.append(data)
            if sink:
                sink(data)
        agent = self._free_agent()
        try:
            status = agent.run(command, time.monotonic() + timeout, collect)
        except Timeout:
            raise Timeout(f"'{command}' took longer than {timeout:.0f} s\n{self.place.describe()}") from None
        result = Result(status, b"".join(pieces).decode(errors="replace"))
        if check and status != 0:
            raise MachineError(f"'{command}' ended with status {status}:\n{result.output}\n{self.place.describe()}")
        return result

    def _free_agent(self):
        for agent in self.agents:
            if not agent.busy:
                return agent
        raise MachineError(f"{len(self.agents)} commands run in the guest already")

    def driver_state(self):
        """bound, unbound or absent: what has become of the guest's virtio-tiermem device."""
        return self.run(DRIVER_STATE).output.strip()

    def wait_driver(self, timeout=30):
        """Waits until the driver is bound to the device."""
        deadline = time.monotonic() + timeout
        while (state := self.driver_state()) != "bound":
            if state == "absent" or time.monotonic() > deadline:
                why = "the guest sees no virtio-tiermem device" if state == "absent" else \
                    f"the driver is not bound after {timeout} s"
                raise MachineError(f"{why}\n{self.place.describe()}")
            time.sleep(0.2)

    def reboot(self, timeout=BOOT_TIMEOUT):
        """Reboots the guest through QEMU's reset and waits until it is back."""
        self.qmp("system_reset")
        self.wait_ready(timeout)

    # the monitor

    def qmp(self, command, **arguments):
        """Runs a QMP command and returns its result; underscores in argument names stand for hyphens.
        Raises qemu.qmp's ExecuteError when QEMU refuses."""
        self.check_alive()
        return self.monitor.cmd(command, **{name.replace("_", "-"): value for name, value in arguments.items()})

    def hmp(self, line):
        """Runs a command of the human monitor and returns its text."""
        return self.qmp("human-monitor-command", command_line=line)

    def events(self, name=None):
        """Events that have come since the last call, of one name or all."""
        found = self.monitor.get_events(wait=False)
        self.monitor.clear_events()
        return [event for event in found if name in (None, event["event"])]

    def wait_event(self, name, timeout=60, matches=lambda data: True):
        """The next event of a name whose data match; others are dropped."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self.monitor.pull_event(wait=left)
            except TimeoutError:
                break
            if event and event["event"] == name and matches(event.get("data", {})):
                return event
        raise Timeout(f"no event {name} within {timeout} s\n{self.place.describe()}")

    # the host's side

    @property
    def pid(self):
        """QEMU's process."""
        return self.process.pid

    def host_resident(self, name):
        """Bytes of host memory that the backend `fast` or `slow` takes, counted by the host's kernel."""
        address, size = host_memory.block_address(self.hmp("info ramblock"), name)
        return host_memory.resident(self.pid, address, size)

    def host_usage(self):
        """Resident, peak and page faults of QEMU's process."""
        return host_memory.usage(self.pid)

    # moving

    def migrate_to(self, other, timeout=300):
        """Moves the guest to another machine, started with incoming=True; afterwards that one runs it."""
        self.begin_migration(other)
        self.end_migration(other, timeout)

    def begin_migration(self, other):
        """Starts a migration and returns while it runs. The source waits for the destination's word that all is well:
        where that refuses something late, the guest runs on at the source."""
        for machine in (self, other):
            machine.qmp("migrate-set-capabilities", capabilities=[{"capability": "return-path", "state": True}])
        uri = f"unix:{other.place.private}/migration"
        other.qmp("migrate-incoming", uri=uri)
        self.qmp("migrate", uri=uri)

    def end_migration(self, other, timeout=300):
        """Waits for the end of a migration; raises MachineError with QEMU's reason if it failed. From now on the guest
        may be stopped for as long as the rest takes: one that writes faster than QEMU sends would never be moved."""
        self.qmp("migrate-set-parameters", **{"downtime-limit": MIGRATION_STOP_MS})
        deadline = time.monotonic() + timeout
        while (state := self.qmp("query-migrate"))["status"] != "completed":
            if state["status"] in ("failed", "cancelled"):
                reason = state.get("error-desc", "no reason given")
                raise MachineError(f"migration {state['status']}: {reason}\n{other.place.describe()}")
            if time.monotonic() > deadline:
                raise Timeout(f"migration still {state['status']} after {timeout} s")
            time.sleep(0.1)
        while other.qmp("query-status")["status"] in ("inmigrate", "postmigrate"):
            time.sleep(0.1)
        other.boot_id = self.boot_id
