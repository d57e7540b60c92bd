# SPDX-License-Identifier: GPL-2.0-or-later
"""list, show, set-quota and set-qos against monitors that behave, and against such that do not."""

import signal
import socket

import pytest
from fake_qmp import MIB, Refused


def test_list_shows_each_machine_on_a_line(tool, machine):
    machine("web1", quota=768 * MIB)
    machine("web2").driver_ready = False
    out, err = tool("list")
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["MACHINE", "DRIVER", "CLASS"] and err == ""
    assert lines[1].split() == ["web1", "ready", "burstable", "100", "0", "768M", "768M", "768M", "2.00G", "2.00G"]
    assert lines[2].split()[:2] == ["web2", "none"] and len(lines) == 3


def test_json_is_the_whole_reply_also_of_what_we_do_not_know(tool, machine):
    one = machine("web1")
    one.qos["something-new"] = [1]
    (found,) = tool.json("list")
    assert found["machine"] == "web1" and found["device"]["qos"]["something-new"] == [1]
    assert found == tool.json("show", "web1")[0]


def test_show_has_tiers_service_and_curve(tool, machine):
    machine("web1").curve((100 * MIB, 9000), (400 * MIB, 10000))
    out, _ = tool("show", "web1")
    assert "burstable" in out and "0 fast" in out and "512M" in out and "2G" in out
    assert "90.0%" in out and "100.0%" in out


def test_a_curve_with_a_gap_is_said_to_be_none(tool, machine):
    one = machine("web1")
    one.curve((100 * MIB, 9000), (400 * MIB, 10000))
    one.stats.pop(1)
    assert "none: the guest sent 2 sizes but 1 rates" in tool("show")[0]


@pytest.mark.parametrize("pattern, name", [("{}/*/qmp.sock", "inner"), ("{}/inner/qmp.sock", "qmp"),
                                           ("mine={}/inner/qmp.sock", "mine")])
def test_names_come_from_the_pattern(tool, machine, tmp_path, pattern, name):
    (tmp_path / "inner").mkdir()
    one = machine("inner/qmp")
    one.stop()
    one.path = str(tmp_path / "inner/qmp.sock")
    one.start()
    assert tool("list", "--names", places=["--socket", pattern.format(tmp_path)])[0] == f"{name}\n"


def test_two_of_one_name_are_named_by_path(tool, machine, tmp_path):
    paths = []
    for folder in "ab":
        (tmp_path / folder).mkdir()
        paths.append(machine(f"{folder}/same").path)
    out, _ = tool("list", "--names", places=["--socket", paths[0], "--socket", paths[1]])
    assert out.splitlines() == paths


def test_places_come_from_the_environment(tool, machine, tmp_path):
    machine("web1")
    tool.environment["TIERMEMCTL_SOCKETS"] = f"{tmp_path}/web*.qmp:{tmp_path}/db*.qmp"
    out, err = tool("list", "--names", places=[])
    assert out == "web1\n" and "no socket matches" in err


# changes

def test_set_quota_changes_what_is_named(tool, machine):
    one, other = machine("web1"), machine("web2")
    out, _ = tool("set-quota", "web1", "--fast", "256M", "--slow", "1G", "--deadline", "5s")
    assert out == "web1: fast 512M -> 256M, slow 2G -> 1G\n"
    assert [quota["requested"] for quota in one.tiers] == [256 * MIB, 1024 * MIB]
    assert ("tiermem-set-quota", {"id": "tm0", "tiers": [{"tier": 0, "size": 256 * MIB}, {"tier": 1, "size": 1024 * MIB}],
                                  "deadline-ms": 5000}) in one.log
    assert [command for command, _ in other.log if command.startswith("tiermem")] == []


def test_set_quota_of_many_by_pattern_as_json(tool, machine):
    machine("web1"), machine("web2")
    report = tool.json("set-quota", "web*", "--tier", "fast=1G")
    assert [change["machine"] for change in report] == ["web1", "web2"]
    assert report[0]["tiers"] == [{"tier": 0, "name": "fast", "from": 512 * MIB, "to": 1024 * MIB}]


def test_set_quota_waits_for_the_guest(tool, machine):
    one = machine("web1")
    one.step = 64 * MIB
    tool("set-quota", "web1", "--fast", "256M", "--wait", "60s")
    assert one.tiers[0]["actual"] == 256 * MIB


def test_set_quota_says_what_was_not_reached(tool, machine):
    machine("web1").obeys = False
    _, err = tool("set-quota", "web1", "--fast", "256M", "--wait", "300ms", status=1)
    assert "web1: not reached within 300 ms: fast has 512M instead of 256M" in err


@pytest.mark.parametrize("words, why", [
    (["--fast", "2G"], "web1: 2G of tier fast is more than the tier has (1G)"),
    (["--fast", "4097"], "not a multiple of its block size (4K)"),
    (["--fast", "64M"], "less than the machine's guaranteed minimum (128M)"),
    (["--tier", "middle=1G"], "has no tier 'middle' (its tiers are fast, slow)"),
])
def test_a_quota_that_cannot_be_changes_nothing_anywhere(tool, machine, words, why):
    machines = [machine("web1"), machine("web2", size=4096 * MIB)]
    machines[0].qos["fast-min"] = 128 * MIB
    _, err = tool("set-quota", "web2", "web1", *words, status=1)
    assert why in err and "nothing was changed" in err
    assert all("tiermem-set-quota" not in [command for command, _ in one.log] for one in machines)


@pytest.mark.parametrize("words, why", [
    (["--fast", "5X"], "'5X' is no size"), (["--fast", "1.5"], "not a whole number of bytes"),
    (["--fast", "300T"], "too large"), (["--fast", "-1"], "'-1' is no size"), (["--fast", "1G", "--deadline", "5"], "no duration"),
    (["--fast", "1G", "--deadline", "60d"], "no duration"), (["--fast", "1G", "--deadline", "50000h"], "out of range"),
    (["--fast", "1G", "--tier", "0=256M"], "two quotas"), (["--tier", "1G"], "TIER=SIZE"), ([], "no quota is given"),
])
def test_wrong_words_are_a_usage_error(tool, machine, words, why):
    one = machine("web1")
    assert why in tool("set-quota", "web1", *words, status=2)[1]
    assert "tiermem-set-quota" not in [command for command, _ in one.log]


def test_an_unknown_machine_is_named_with_those_there_are(tool, machine):
    machine("web1")
    assert "no machine is called db1; there are web1" in tool("set-quota", "db1", "--fast", "1G", status=2)[1]


def test_a_refusal_puts_the_others_back(tool, machine):
    def refuse(_):
        raise Refused("not today")
    machines = [machine("web1"), machine("web2")]
    machines[1].before["tiermem-set-quota"] = refuse
    _, err = tool("set-quota", "web*", "--fast", "256M", status=1)
    assert "web2" in err and "QEMU refused tiermem-set-quota: not today" in err and "as they were" in err
    assert machines[0].tiers[0]["requested"] == 512 * MIB


def test_what_could_not_be_put_back_is_said(tool, machine):
    machines = [machine("web1"), machine("web2")]

    def refuse(_):
        machines[0].before["tiermem-set-quota"] = lambda _: "close"
        raise Refused("not today")
    machines[1].before["tiermem-set-quota"] = refuse
    assert "could not be undone on: web1" in tool("set-quota", "web*", "--fast", "256M", status=1)[1]


def test_set_qos_changes_what_is_given(tool, machine):
    one = machine("web1")
    out, _ = tool("set-qos", "web1", "--class", "guaranteed", "--fast-min", "256M", "--migration-bandwidth", "64M/s",
                  "--cpu-budget", "0", "--weight", "10000")
    assert 'class "burstable" -> "guaranteed"' in out
    assert one.qos == {"class": "guaranteed", "weight": 10000, "fast-min": 256 * MIB, "migration-bandwidth": 64 * MIB,
                       "cpu-budget": 0, "shrink-deadline-ms": 0}


@pytest.mark.parametrize("words, status, why", [
    (["--class", "best"], 2, "best-effort"), (["--weight", "0"], 2, "1 to 10000"), (["--weight", "10001"], 2, "1 to 10000"),
    (["--cpu-budget", "1001"], 2, "0 to 1000"), (["--migration-bandwidth", "fast"], 2, "no rate"), ([], 2, "nothing to change"),
    (["--fast-min", "1G"], 1, "more than its quota of fast memory (512M)"),
])
def test_wrong_service_is_refused(tool, machine, words, status, why):
    one = machine("web1")
    before = dict(one.qos)
    assert why in tool("set-qos", "web1", *words, status=status)[1]
    assert one.qos == before


# what is no machine, or no longer one

def test_no_machine_at_all(tool):
    _, err = tool("list", status=1)
    assert "no socket matches" in err and "--socket" in err and "--connect" in err


@pytest.mark.parametrize("wire, why", [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak QMP"), (b"\x00\xff", "byte 0x00"), (b'{"hello": 1}', "no QMP greeting"),
    (b'{"QMP" 1}', "not a JSON object"), (b"{" * 1000, "nested more than 64 deep"), (b'{"QMP": "' + b"x" * (5 << 20), "more than 4 MiB"),
], ids=["ssh", "binary", "other JSON", "broken", "deep", "huge"])
def test_a_socket_that_speaks_something_else(tool, machine, wire, why):
    machine("web1").wire = wire
    good = machine("web2")
    out, err = tool("list", status=1)
    assert "web2" in out and f"{good.path}" not in err
    assert "web1 (socket" in err and why in err


@pytest.mark.parametrize("reply, why", [
    ({}, "no list of devices"), ([], "no virtio-tiermem device"), ([{}, {}], "2 virtio-tiermem devices"),
    ([{"id": "tm0"}], "without 'driver-ready'"),
])
def test_replies_that_do_not_fit(tool, machine, reply, why):
    machine("web1").before["query-tiermem"] = lambda _: reply
    _, err = tool("list", status=1)
    assert "web1 (socket" in err and why in err


@pytest.mark.parametrize("field, value", [("size", -1), ("size", 1 << 64), ("size", "1G"), ("size", 1.5), ("block-size", 0),
                                          ("block-size", 4097), ("tier", 1), ("node", 1 << 32), ("name", 5), ("actual", "x")])
def test_values_that_cannot_be(tool, machine, field, value):
    one = machine("web1")
    one.obeys = False
    one.tiers[0][field] = value
    _, err = tool("set-quota", "web1", "--fast", "256M", status=1)
    assert "web1 (socket" in err and "answered query-tiermem" in err and "nothing was changed" in err


def test_a_connection_that_ends_before_the_answer(tool, machine):
    machine("web1").before["query-tiermem"] = lambda _: "close"
    assert "web1 (socket" in (err := tool("list", status=1)[1]) and "closed the connection" in err


def test_a_command_without_an_answer(tool, machine):
    machine("web1").before["query-tiermem"] = lambda _: "silence"
    assert "no answer to query-tiermem within 300 ms" in tool("list", "--timeout", "300ms", status=1)[1]


def test_an_answer_to_something_else(tool, machine):
    one = machine("web1")
    answer = one._answer
    one._answer = lambda message: {**answer(message), **({"id": 77} if "id" in message else {})}
    assert "answered a command that was not given" in tool("list", status=1)[1]


def test_a_qemu_without_the_device(tool, machine):
    one = machine("web1")
    one._answer = lambda message: {"return": {}} if "id" not in message else {
        "id": message["id"], "error": {"class": "CommandNotFound", "desc": "The command query-tiermem has not been found"}}
    assert "built without the virtio-tiermem device" in tool("list", status=1)[1]


def test_pretty_json_is_as_good(tool, machine):
    machine("web1").pretty = True
    assert tool.json("list")[0]["machine"] == "web1"


def test_events_between_the_answers_do_no_harm(tool, machine):
    one = machine("web1")
    one.before["query-tiermem"] = lambda _: one.emit("TIERMEM_GUEST_ERROR", id="tm0", reason="x")
    assert tool.json("list")[0]["machine"] == "web1"


def test_a_stopped_process_delays_nobody_for_longer_than_its_time(tool, process):
    processes = [process("web1"), process("web2")]
    processes[0].send_signal(signal.SIGSTOP)
    out, err = tool("list", "--timeout", "5s", status=1)
    assert "web2" in out and "web1 (socket" in err and "no greeting within 5000 ms" in err
    processes[0].send_signal(signal.SIGCONT)
    assert len(tool.json("list")) == 2


def test_a_socket_that_nobody_listens_on(tool, process):
    one = process("web1")
    one.kill()
    one.wait()
    _, err = tool("list", status=1)
    assert "web1 (socket" in err and "Connection refused" in err


def test_a_file_that_is_no_socket(tool, tmp_path):
    (tmp_path / "web1.qmp").write_text("")
    assert "is not a socket" in tool("list", status=1)[1]


def test_a_path_that_is_too_long(tool, tmp_path):
    path = tmp_path / ("x" * 120)
    path.write_text("")
    assert "too long for a socket" in tool("list", status=1, places=["--socket", path])[1]


def test_a_monitor_that_another_client_holds(tool, machine):
    one = machine("web1")
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(one.path)
        other.recv(4096)
        assert "another program holds this monitor" in tool("list", "--timeout", "300ms", status=1)[1]
    assert tool.json("list")[0]["machine"] == "web1"


def test_control_characters_do_not_reach_the_terminal(tool, machine):
    def refuse(_):
        raise Refused("\x1b[2Jgone")
    machine("web1").before["query-tiermem"] = refuse
    _, err = tool("list", status=1)
    assert "\x1b" not in err and "\\x1b[2Jgone" in err


# libvirt

def test_a_libvirt_host_that_is_not_there(tool):
    _, err = tool("list", status=1, places=["--connect", "qemu+unix:///system?socket=/nonexistent/socket"])
    assert "cannot connect to libvirt at qemu+unix:///system?socket=/nonexistent/socket" in err


def test_libvirts_test_driver_has_domains_but_no_monitor(tool):
    places = ["--connect", "test:///default"]
    assert tool("list", "--names", places=places)[0] == "test\n"
    _, err = tool("list", status=1, places=places)
    assert "test (domain test of test:///default)" in err and "no QEMU monitor" in err


def test_sockets_and_domains_together(tool, machine):
    machine("web1")
    out, _ = tool("list", status=1, places=[*tool.places, "--connect", "test:///default"])
    assert "web1" in out
