# SPDX-License-Identifier: GPL-2.0-or-later
"""watch, top and export against monitors that behave, and against such that do not."""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.request

import pytest
from fake_qmp import MIB
from tiermemctl_tool import PATIENCE, PROGRAM


def counters(one, at, fast=0, slow=0, promoted=0, demoted=0, cpu=0):
    """Sets a machine's statistics to those of a guest at a time; they are `age` old when they are asked for."""
    values = [("samples", 0, fast), ("samples", 1, slow), ("promoted", 0, promoted), ("demoted", 1, demoted)]
    one.stats = [{"name": name, "tier": tier, "index": 0, "value": value} for name, tier, value in values]
    one.stats.append({"name": "cpu-time", "index": 0, "value": cpu})
    one.age = at


# watch

def test_watch_prints_events_of_all_machines(tool, machine):
    one, two = machine("web1"), machine("web2")
    with tool.run_on("watch") as watch:
        noticed = {watch.line()["machine"], watch.line()["machine"]}
        assert noticed == {"web1", "web2"} and watch.seen[0]["notice"] == "watched"
        one.emit("TIERMEM_QUOTA_CHANGE", id="tm0", tier=0, requested=256 * MIB, actual=512 * MIB)
        event = watch.line()
        assert event["machine"] == "web1" and event["event"] == "TIERMEM_QUOTA_CHANGE"
        assert event["data"] == {"id": "tm0", "tier": 0, "requested": 256 * MIB, "actual": 512 * MIB}
        two.emit("STOP")
        two.emit("TIERMEM_GUEST_ERROR", id="tm0", reason="no such tier")
        assert watch.line()["event"] == "TIERMEM_GUEST_ERROR", "events of others are left out"
    assert watch.process.returncode == 0


def test_watch_is_for_people_too_and_ends_after_a_count(tool, machine):
    one = machine("web1")
    with tool.start("watch", "--count", "1", *tool.places) as process:
        assert re.search(r"\d\d:\d\d:\d\d\.\d{3}  web1  \(watched\)", process.stdout.readline())
        one.emit("TIERMEM_QUOTA_MISSED", id="tm0", tier=0, requested=256 * MIB, actual=512 * MIB, resident=500 * MIB)
        line = process.stdout.readline()
        assert "web1  TIERMEM_QUOTA_MISSED  actual 512M, requested 256M, resident 500M, tier 0; 256M beyond its quota" in line
        assert process.wait(PATIENCE) == 0


def test_watch_and_top_tell_of_a_guest_that_uses_what_it_has_surrendered(tool, machine):
    one = machine("web1")
    one.tiers[0].update(requested=256 * MIB, actual=256 * MIB, resident=320 * MIB)
    one.obeys = False
    with tool.start("watch", "--count", "1", *tool.places) as process:
        process.stdout.readline()
        one.emit("TIERMEM_QUOTA_EXCEEDED", id="tm0", tier=0, requested=256 * MIB, actual=256 * MIB, resident=320 * MIB)
        line = process.stdout.readline()
        assert "TIERMEM_QUOTA_EXCEEDED  actual 256M, requested 256M, resident 320M, tier 0; 64M beyond its quota" in line
        assert process.wait(PATIENCE) == 0
    assert "trespasses 64.0M" in tool("top", "--once", "--interval", "100ms")[0]


def test_watch_notices_who_goes_and_who_comes(tool, machine):
    one = machine("web1")
    with tool.run_on("watch") as watch:
        watch.line()
        one.stop()
        assert watch.line()["notice"] == "gone"
        machine("web2")
        assert watch.until(lambda line: line["machine"] == "web2")["notice"] == "watched"


def test_watch_of_all_events(tool, machine):
    one = machine("web1")
    with tool.run_on("watch", "--all", "--for", "60s") as watch:
        watch.line()
        one.emit("STOP")
        assert watch.line()["event"] == "STOP"


# top

def test_top_once_has_rates_between_two_looks(tool, machine):
    one = machine("web1")
    looks = []

    def look(_):
        looks.append(time.monotonic())
        counters(one, 0, *((0, 0, 0, 0, 0) if len(looks) == 1 else (900, 100, 64 * MIB, 32 * MIB, 10_000_000)))
    one.before["query-tiermem"] = look
    (row,) = tool.json("top", "--once", "--interval", "500ms")["machines"]
    passed = looks[1] - looks[0]
    assert row["fast-share"] == 0.9 and row["quota"] == 512 * MIB and row["pressure"] == ""
    assert row["promoted-per-second"] == pytest.approx(64 * MIB / passed, rel=0.5)
    assert row["promoted-per-second"] == 2 * row["demoted-per-second"] and row["cpu"] > 0


@pytest.mark.parametrize("change, pressure", [
    ({"requested": 256 * MIB}, "256M over quota"), ({"resident": 768 * MIB}, "trespasses 256M"), ({"actual": 256 * MIB}, "256M to take")])
def test_top_says_what_is_wrong(tool, machine, change, pressure):
    one = machine("web1")
    one.obeys = False
    one.tiers[0].update(change)
    if "actual" in change:
        one.tiers[0]["resident"] = change["actual"]
    assert tool.json("top", "--once", "--interval", "100ms")["machines"][0]["pressure"] == pressure


def test_top_names_claims_that_the_device_does_not_believe(tool, machine):
    machine("web1").doubts = ["rate"]
    assert tool.json("top", "--once", "--interval", "100ms")["machines"][0]["pressure"] == "doubtful rate"


def test_top_once_as_a_table_fits_80_columns(tool, machine):
    for number in range(3):
        machine(f"a-machine-with-a-long-name-{number}").driver_ready = number != 1
    out, _ = tool("top", "--once", "--interval", "100ms")
    lines = out.splitlines()
    assert len(lines) == 5 and all(len(line) <= 80 for line in lines)
    assert "3 machines" in lines[0] and "quotas 1.50G" in lines[0]
    assert lines[1].split()[0] == "MACHINE" and lines[3].endswith("no driver")


def test_top_needs_a_terminal_or_says_what_else_there_is(tool, machine):
    machine("web1")
    assert "--once" in tool("top", status=2)[1]


class Terminal:
    """tiermemctl top in a terminal of its own."""

    def __init__(self, tool, rows, columns):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen([PROGRAM, "top", "--interval", "200ms", *tool.places], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True, env={**tool.environment, "TERM": "xterm"})
        os.close(slave)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, words):
        end = time.monotonic() + PATIENCE
        while words not in self.text and time.monotonic() < end:
            if select.select([self.master], [], [], 1)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
        assert words in self.text, self.text[-2000:]

    def type(self, keys):
        os.write(self.master, keys.encode())


def test_top_lives_in_a_terminal_takes_keys_and_leaves_it_as_it_was(tool, machine):
    machine("web1")
    with Terminal(tool, 24, 80) as terminal:
        terminal.until("PRESSURE")
        terminal.until("web1")
        assert "SLOW" not in terminal.text
        terminal.resize(24, 160)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.until("SLOW")
        machine("web2")
        terminal.until("web2")
        terminal.type("q")
        assert terminal.process.wait(PATIENCE) == 0
        terminal.until("\x1b[?1049l")


def test_top_goes_on_beside_a_machine_that_does_not_answer(tool, machine):
    machine("web1")
    machine("web2").before["query-tiermem"] = lambda _: "close"
    with Terminal(tool, 24, 80) as terminal:
        terminal.until("(1 silent)")
        terminal.until("no answer")
        terminal.type("q")
        assert terminal.process.wait(PATIENCE) == 0


# export

def metrics(text):
    """Values by name with labels; names that come twice are a mistake."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in found, name
            found[name] = float(value)
    return found


def test_export_once_has_every_value_by_convention(tool, machine):
    one = machine("web1")
    counters(one, 1500, fast=10, slow=5, promoted=4096, cpu=2_500_000_000)
    one.stats += [{"name": "curve-bytes", "index": 0, "value": MIB}, {"name": "curve-rate", "index": 0, "value": 7}]
    out, _ = tool("export", "--once")
    found = metrics(out)
    assert found['tiermem_up{machine="web1"}'] == 1
    assert found['tiermem_tier_requested_bytes{machine="web1",tier="fast"}'] == 512 * MIB
    assert found['tiermem_tier_size_bytes{machine="web1",tier="slow"}'] == 2048 * MIB
    assert found['tiermem_qos_class_info{machine="web1",class="burstable"}'] == 1
    assert found['tiermem_qos_cpu_budget_ratio{machine="web1"}'] == 0.05
    assert found['tiermem_guest_samples_total{machine="web1",tier="fast"}'] == 10
    assert found['tiermem_guest_cpu_seconds_total{machine="web1",stage="0"}'] == 2.5
    assert found['tiermem_guest_statistics_age_seconds{machine="web1"}'] == 1.5
    assert found['tiermem_guest_curve_accesses_per_second{machine="web1",point="0"}'] == 7
    for kind, name in re.findall(r"^# TYPE (\S+) (\S+)$", out, re.M):
        assert (name == "counter") == kind.endswith("_total"), kind


def test_export_names_claims_that_the_device_does_not_believe(tool, machine):
    machine("web1").doubts = ["curve", "rate"]
    found = metrics(tool("export", "--once")[0])
    assert found['tiermem_guest_statistics_doubted{machine="web1",reason="rate"}'] == 1


def test_export_tells_of_machines_that_are_silent(tool, machine):
    machine("web1")
    machine("web2").before["query-tiermem"] = lambda _: "close"
    found = metrics(tool("export", "--once", status=1)[0])
    assert found['tiermem_up{machine="web1"}'] == 1 and found['tiermem_up{machine="web2"}'] == 0
    assert not [name for name in found if "web2" in name and not name.startswith("tiermem_up")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_export_serves_what_is_so_when_it_is_asked(tool, machine):
    one = machine("web1")
    port = free_port()
    with tool.start("export", "--listen", f"127.0.0.1:{port}", *tool.places) as process:
        assert f"127.0.0.1:{port}/metrics" in process.stderr.readline()

        def scrape():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
                return metrics(answer.read().decode())
        name = 'tiermem_tier_requested_bytes{machine="web1",tier="fast"}'
        assert scrape()[name] == 512 * MIB
        one.tiers[0]["requested"] = 256 * MIB
        assert scrape()[name] == 256 * MIB
        machine("web2")
        assert scrape()['tiermem_up{machine="web2"}'] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_export_cannot_listen(tool, machine):
    machine("web1")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"cannot listen on '{address}'" in tool("export", "--listen", address, status=1)[1]
