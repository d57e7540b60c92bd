# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop around the balancing function: what machines do to it, and that nothing is ever over-committed."""

import select
import signal
import subprocess
import threading

import pytest
from fake_qmp import MIB, Refused
from tiermemctl_tool import PATIENCE

TOTAL = 1024 * MIB
FAST = ["--fast-total", "1G", "--interval", "200ms", "--timeout", "3s"]
HOT = [(448 * MIB, 1_000_000), (512 * MIB, 1_000_100)]
COLD = [(64 * MIB, 1000), (512 * MIB, 1001)]


class Host:
    """The machines of one host. After whatever a guest does, what all of them hold of fast memory is added up."""

    def __init__(self, machine):
        self._start = machine
        self._lock = threading.Lock()
        self.machines = {}
        self.most = 0

    def add(self, name, curve=None, **settings):
        one = self._start(name, **settings)
        if curve:
            one.curve(*curve)
        self.machines[name] = one
        one.changed = self.count
        self.count()
        return one

    def count(self):
        with self._lock:
            self.most = max(self.most, sum(one.tiers[0]["resident"] for one in self.machines.values()))

    def requested(self):
        return sum(one.tiers[0]["requested"] for one in self.machines.values())


@pytest.fixture
def host(machine):
    return Host(machine)


def quota(one):
    return one.tiers[0]["requested"]


def of(step, name):
    """What a step says of one machine."""
    return next(one for one in step["machines"] if one["machine"] == name)


def settled(step):
    return not step["waits"] and not any(one["changed"] for one in step["machines"])


def moved_to(name, least):
    return lambda step: of(step, name)["requested"] >= least and settled(step)


def set_quotas(one):
    return [arguments for command, arguments in one.log if command == "tiermem-set-quota"]


# sharing

def test_memory_goes_where_it_saves_most_and_is_never_overcommitted(tool, host):
    cold, hot = host.add("cold", COLD), host.add("hot", HOT)
    cold.step = 32 * MIB
    cold.qos["fast-min"] = 128 * MIB
    hot.tiers[0]["requested"] = hot.tiers[0]["actual"] = hot.tiers[0]["resident"] = 256 * MIB
    with tool.run_on("balance", *FAST) as loop:
        loop.until(moved_to("hot", 448 * MIB))
    assert quota(cold) >= 128 * MIB
    assert host.requested() <= TOTAL and host.most <= TOTAL
    assert loop.process.returncode == 0


def test_growth_waits_for_the_shrink_that_pays_for_it(tool, host):
    hot = host.add("hot", [(900 * MIB, 1_000_000)])
    cold = host.add("cold", COLD)
    cold.obeys = False
    with tool.run_on("balance", *FAST) as loop:
        loop.until(lambda step: of(step, "cold")["requested"] < 512 * MIB)
        loop.line()
        assert quota(hot) == 512 * MIB, "the cold machine still has its memory"
        cold.obeys = True
        loop.until(lambda step: of(step, "hot")["requested"] > 600 * MIB)
    assert host.most <= TOTAL


def test_curves_count_beyond_the_base_of_the_policy(tool, host, tmp_path):
    """Each has more than its program uses, until the kernels' share is taken off."""
    hot, cold = host.add("hot", [(300 * MIB, 1_000_000)]), host.add("cold", [(300 * MIB, 1000)])
    policy = tmp_path / "policy.toml"
    policy.write_text('[[machine]]\nname = "*"\nfast-base = "384M"\n')
    with tool.run_on("balance", *FAST, "--policy-file", policy) as loop:
        loop.until(moved_to("hot", 640 * MIB))
    assert quota(cold) == 384 * MIB and quota(hot) == 640 * MIB and host.most <= TOTAL


def test_a_dry_run_says_and_changes_nothing(tool, host):
    host.add("hot", [(900 * MIB, 1_000_000)]), host.add("cold", COLD)
    out, _ = tool("balance", "--fast-total", "1G", "--dry-run")
    assert "cold: 512M -> " in out and "hot: " in out
    assert all(set_quotas(one) == [] for one in host.machines.values())


@pytest.mark.parametrize("policy", ["gain", "proportional", "static"])
def test_each_policy_holds_total_and_minima(tool, host, policy):
    for name, curve in (("a", HOT), ("b", COLD), ("c", None)):
        one = host.add(name, curve, quota=256 * MIB)
        one.qos["fast-min"] = 64 * MIB
    with tool.run_on("balance", *FAST, "--policy", policy, "--intervals", 4) as loop:
        loop.process.wait(120)
    assert host.most <= TOTAL and host.requested() <= TOTAL
    assert all(quota(one) >= 64 * MIB for one in host.machines.values())


def test_a_total_below_the_minima_changes_nothing(tool, host):
    for name in "ab":
        host.add(name, HOT).qos["fast-min"] = 512 * MIB
    _, err = tool("balance", "--fast-total", "1000M", status=1)
    assert "fast-total (1000M) is smaller than the guaranteed minima of all machines (1G)" in err and "nothing was changed" in err
    assert all(set_quotas(one) == [] for one in host.machines.values())


def test_a_minimum_above_the_tier_names_the_machine(tool, host, tmp_path):
    host.add("a", HOT), host.add("b", HOT)
    policy = tmp_path / "policy.toml"
    policy.write_text('fast-total = "16G"\n[[machine]]\nname = "b"\nfast-min = "8G"\n')
    _, err = tool("balance", "--policy-file", policy, status=1)
    assert "b: the guaranteed minimum" in err and "nothing was changed" in err


def test_on_input_a_step_is_taken_for_each_line(tool, host):
    hot = host.add("hot", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    host.add("cold", COLD, quota=256 * MIB)
    with tool.run_on("balance", "--fast-total", "1G", "--on-input", stdin=subprocess.PIPE) as loop:
        for number in range(3):
            looks = len(hot.log)
            assert not select.select([loop.process.stdout], [], [], 0.3)[0], "a step without a line"
            assert len(hot.log) == looks
            loop.process.stdin.write("now\n")
            loop.process.stdin.flush()
            loop.line()
        loop.process.stdin.write("\n\n")
        loop.process.stdin.close()
        loop.process.wait(PATIENCE)
        loop.line(), loop.line()
        assert loop.process.returncode == 0 and len(loop.seen) == 5
        loop.process.stdin = None
    assert quota(hot) > 256 * MIB and host.most <= TOTAL


# machines that fail

def test_a_silent_machine_keeps_what_it_might_use(tool, host):
    silent, other = host.add("silent", COLD), host.add("other", [(900 * MIB, 1_000_000)])
    with tool.run_on("balance", *FAST) as loop:
        loop.line()
        held = max(silent.tiers[0]["requested"], silent.tiers[0]["actual"])
        silent.before["query-status"] = lambda _: "silence"
        step = loop.until(lambda step: of(step, "silent").get("note") == "unreachable")
        assert of(step, "silent")["reach"] >= silent.tiers[0]["actual"] and "error" in of(step, "silent")
        loop.line()
        assert quota(other) + min(held, silent.tiers[0]["actual"]) <= TOTAL
        del silent.before["query-status"]
        loop.until(lambda step: "note" not in of(step, "silent"))
    assert host.most <= TOTAL


def test_a_connection_closed_within_the_command_counts_as_both(tool, host):
    """The quota may have been set or not: until the machine answers again it counts with the greater."""
    fickle, other = host.add("fickle", [(900 * MIB, 1_000_000)], quota=256 * MIB), host.add("other", COLD, quota=256 * MIB)

    def close_and_vanish(arguments):
        fickle.before = {name: lambda _: "close" for name in ("tiermem-set-quota", "query-status")}
        fickle.do_tiermem_set_quota(**{key.replace("-", "_"): value for key, value in arguments.items()})
        return "close"
    fickle.before["tiermem-set-quota"] = close_and_vanish
    with tool.run_on("balance", *FAST) as loop:
        step = loop.until(lambda step: of(step, "fickle").get("note") == "unreachable")
        sent = set_quotas(fickle)[0]["tiers"][0]["size"]
        assert sent > 256 * MIB and of(step, "fickle")["reach"] == sent
        fickle.before.clear()
        loop.until(lambda step: "note" not in of(step, "fickle"))
    assert host.most <= TOTAL and quota(other) + quota(fickle) <= TOTAL


def test_a_stopped_process_does_not_stop_the_others(tool, host, process):
    host.add("hot", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    stopped = process("stopped")
    with tool.run_on("balance", *FAST) as loop:
        loop.line()
        stopped.send_signal(signal.SIGSTOP)
        step = loop.until(lambda step: of(step, "stopped").get("note") == "unreachable")
        reach = of(step, "stopped")["reach"]
        loop.until(lambda step: of(step, "hot")["requested"] + reach <= TOTAL and settled(step))
        stopped.send_signal(signal.SIGCONT)
        loop.until(lambda step: of(step, "stopped").get("note") != "unreachable")


def test_the_memory_of_a_process_that_ended_is_shared_out(tool, host, process):
    hot = host.add("hot", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    ends = process("ends")
    with tool.run_on("balance", *FAST) as loop:
        loop.line()
        ends.kill()  # its socket's file stays
        ends.wait()
        loop.until(lambda step: step["gone"] == ["ends"])
        loop.until(moved_to("hot", 900 * MIB))
    assert quota(hot) <= TOTAL


def test_a_machine_that_comes_is_noticed(tool, host):
    host.add("first", HOT)
    with tool.run_on("balance", *FAST) as loop:
        loop.line()
        host.add("second", HOT)
        step = loop.until(lambda step: step["arrived"] == ["second"])
        assert {one["machine"] for one in step["machines"]} == {"first", "second"}


@pytest.mark.parametrize("state", [{"status": "paused"}, {"migration": {"status": "active"}}], ids=["paused", "migrating"])
def test_a_machine_that_cannot_act_is_left_alone(tool, host, state):
    held, other = host.add("held", COLD), host.add("other", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    for name, value in state.items():
        setattr(held, name, value)
    with tool.run_on("balance", *FAST, "--intervals", 3) as loop:
        step = loop.until(lambda step: of(step, "other")["requested"] == 512 * MIB)
        assert of(step, "held")["note"] == "paused or being migrated"
    assert set_quotas(held) == [] and quota(other) == 512 * MIB


def without_driver(host):
    """A machine that boots: it may use its whole tier, and does not say what it will do."""
    boots = host.add("boots", size=768 * MIB, quota=256 * MIB)
    boots.driver_ready = False
    boots.tiers[0].update(actual=768 * MIB, resident=64 * MIB)
    return boots


def test_a_machine_that_boots_takes_nothing_from_others_nor_do_they_from_it(tool, host):
    without_driver(host)
    other = host.add("other", [(900 * MIB, 1_000_000)], quota=512 * MIB)
    with tool.run_on("balance", *FAST, "--intervals", 3) as loop:
        step = loop.until(lambda step: len(loop.seen) == 3)
        assert of(step, "boots")["note"] == "no driver is ready"
    assert set_quotas(other) == []


def test_a_machine_that_stays_without_driver_is_counted_with_all_it_may_use(tool, host, tmp_path):
    without_driver(host)
    other = host.add("other", [(900 * MIB, 1_000_000)], quota=512 * MIB)
    policy = tmp_path / "policy.toml"
    policy.write_text('[tuning]\ngrace = "1ms"\n')
    with tool.run_on("balance", *FAST, "--policy-file", policy) as loop:
        loop.until(lambda step: of(step, "other")["requested"] == 256 * MIB)
    assert quota(other) == 256 * MIB


def test_a_guest_whose_claims_cannot_be_gets_its_share_at_most(tool, host):
    liar, other = host.add("liar", [(512 * MIB, 1 << 40)], quota=256 * MIB), host.add("other", HOT, quota=256 * MIB)
    liar.doubts = ["rate"]
    with tool.run_on("balance", *FAST) as loop:
        loop.until(moved_to("other", 448 * MIB))
        assert of(loop.seen[-1], "liar")["note"] == "statistics not believed"
    assert quota(liar) <= 512 * MIB


def test_a_guest_that_uses_more_than_it_has_stops_others_from_growing(tool, host):
    liar, other = host.add("liar", COLD, quota=512 * MIB), host.add("other", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    liar.obeys = False
    liar.tiers[0]["resident"] = 768 * MIB
    with tool.run_on("balance", *FAST, "--intervals", 4) as loop:
        step = loop.until(lambda step: len(loop.seen) == 4)
        assert of(step, "liar")["reach"] == 768 * MIB
    assert quota(other) == 256 * MIB and host.most <= TOTAL


def test_a_refusal_is_named_and_the_others_go_on(tool, host):
    def refuse(_):
        raise Refused("not today")
    host.add("a", [(900 * MIB, 1_000_000)], quota=256 * MIB).before["tiermem-set-quota"] = refuse
    other = host.add("b", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    with tool.run_on("balance", *FAST) as loop:
        step = loop.until(lambda step: "error" in of(step, "a"))
        assert "not today" in of(step, "a")["error"]
        loop.until(lambda step: of(step, "b")["requested"] > 256 * MIB)
    assert quota(other) > 256 * MIB and host.most <= TOTAL


# restarts of the controller

def test_a_restart_remembers_a_machine_that_does_not_answer(tool, host, tmp_path):
    silent, other = host.add("silent", COLD, quota=768 * MIB), host.add("other", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    silent.obeys = False
    words = [*FAST, "--state", tmp_path / "state.json"]
    with tool.run_on("balance", *words) as loop:
        loop.line()
    silent.before["query-status"] = lambda _: "silence"
    with tool.run_on("balance", *words, "--intervals", 3) as loop:
        step = loop.until(lambda step: len(loop.seen) == 3)
        assert of(step, "silent")["note"] == "unreachable" and of(step, "silent")["reach"] == 768 * MIB
    assert quota(other) <= 256 * MIB and host.most <= TOTAL


def test_after_a_restart_a_machine_that_has_ended_goes_once(tool, host, process, tmp_path):
    host.add("other", HOT)
    ends = process("ends")
    words = [*FAST, "--state", tmp_path / "state.json"]
    for killed in (False, True):
        with tool.run_on("balance", *words) as loop:
            loop.line()
            if killed:
                ends.kill()  # its socket's file stays
                ends.wait()
                loop.until(lambda step: step["gone"] == ["ends"])
                assert [loop.line()["gone"] for _ in range(3)] == [[], [], []]


def test_a_machine_that_was_never_seen_stops_all_growth(tool, host):
    silent = host.add("silent", COLD, quota=256 * MIB)
    silent.before["query-status"] = lambda _: "silence"
    other = host.add("other", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    with tool.run_on("balance", *FAST) as loop:
        step = loop.until(lambda step: len(loop.seen) == 2)
        assert any("silent (socket" in problem and "no machine grows" in problem for problem in step["problems"])
        assert quota(other) == 256 * MIB
        silent.before.clear()
        loop.until(lambda step: of(step, "other")["requested"] > 256 * MIB)


def test_a_limit_in_the_policy_counts_for_a_machine_that_was_never_seen(tool, host, tmp_path):
    host.add("silent", COLD, quota=256 * MIB).before["query-status"] = lambda _: "silence"
    other = host.add("other", [(900 * MIB, 1_000_000)], quota=256 * MIB)
    policy = tmp_path / "policy.toml"
    policy.write_text('[[machine]]\nname = "silent"\nfast-max = "384M"\n')
    with tool.run_on("balance", *FAST, "--policy-file", policy) as loop:
        loop.until(lambda step: of(step, "other")["requested"] == 640 * MIB)
    assert quota(other) == 640 * MIB


def test_a_state_file_that_is_none_is_refused(tool, host, tmp_path):
    host.add("a")
    (tmp_path / "state.json").write_text("[1, 2")
    assert "is no state file" in tool("balance", "--fast-total", "1G", "--state", tmp_path / "state.json", status=1)[1]


# the policy file

def test_the_policy_file_says_it_all_and_sets_the_service(tool, host, tmp_path):
    one = host.add("web1", HOT)
    policy = tmp_path / "policy.toml"
    policy.write_text(f'''fast-total = "1G"
policy = "proportional"
interval = "200ms"
sockets = ["{tmp_path}/*.qmp"]

[tuning]
patience = "3s"
stale = "1m"
keep-share = 500
hysteresis = 10
least-gain = 5
grace = "10s"

[[machine]]
name = "web*"
class = "guaranteed"
weight = 300
fast-min = "128M"
fast-max = "256M"

[[machine]]
name = "*"
class = "best-effort"
''')
    with tool.run_on("balance", "--policy-file", policy, "--timeout", "3s", places=[]) as loop:
        loop.until(lambda step: of(step, "web1")["requested"] == 256 * MIB)
    assert (one.qos["class"], one.qos["weight"], one.qos["fast-min"]) == ("guaranteed", 300, 128 * MIB)
    assert set_quotas(one)[0]["deadline-ms"] == 3000


@pytest.mark.parametrize("text, why", [
    ('fast-totl = "1G"', "policy.toml:1: unknown key 'fast-totl'; known here are connect, fast-total"),
    ('fast-total = "1X"', "policy.toml:1: fast-total: '1X' is no size"),
    ("fast-total = 5", "policy.toml:1: fast-total: must be a text in quotes"),
    ('fast-total = "1G"\ninterval = "5"', "policy.toml:2: interval: '5' is no duration"),
    ('policy = "greedy"', "policy.toml:1: policy: 'greedy' is no policy; there are gain"),
    ('fast-total = "1G"\n[[machine]]\nname = "a"\nweight = 0', "policy.toml:4: weight: must be a whole number from 1 to 10000"),
    ('[[machine]]\nname = "a"\nwieght = 5', "policy.toml:3: unknown key 'wieght'; known here are class"),
    ('[[machine]]\nweight = 5', "an entry has no name"),
    ('[[machine]]\nname = "a"\nclass = "best"', "policy.toml:3: class: 'best' is no class"),
    ('[[machine]]\nname = "a"\nfast-min = "2G"\nfast-max = "1G"', "fast-min (2G) of 'a' is above fast-max (1G)"),
    ("[tuning]\nkeep-share = 1001", "policy.toml:2: keep-share: must be a whole number from 0 to 1000"),
    ('machine = "a"', "must be a list of tables"), ("tuning = 5", "must be a table"), ('sockets = "x"', "must be a list of texts"),
    ("fast-total = ", "policy.toml:1: "), ('policy = "gain"', "how much fast memory there is to share is not given"),
])
def test_a_policy_with_a_mistake_is_refused_as_a_whole(tool, host, tmp_path, text, why):
    one = host.add("a", HOT)
    policy = tmp_path / "policy.toml"
    policy.write_text(text + "\n")
    assert why in tool("balance", "--policy-file", policy, status=2)[1]
    assert one.log == []


def test_a_policy_file_that_is_not_there(tool, tmp_path):
    assert "nothing.toml" in tool("balance", "--policy-file", tmp_path / "nothing.toml", status=2)[1]


def test_the_policy_is_read_again_and_a_wrong_one_is_not_taken(tool, host, tmp_path):
    one = host.add("a", HOT)
    policy = tmp_path / "policy.toml"
    text = 'fast-total = "1G"\ninterval = "200ms"\n[[machine]]\nname = "a"\nfast-max = "{}"\n'
    policy.write_text(text.format("256M"))
    with tool.run_on("balance", "--policy-file", policy) as loop:
        loop.until(lambda step: of(step, "a")["requested"] == 256 * MIB)
        policy.write_text(text.format("300X"))
        loop.process.send_signal(signal.SIGHUP)
        loop.line(), loop.line()
        policy.write_text(text.format("384M"))
        loop.process.send_signal(signal.SIGHUP)
        loop.until(lambda step: of(step, "a")["requested"] == 384 * MIB)
    assert "'300X' is no size" in loop.errors and "stays as it was" in loop.errors
    assert quota(one) == 384 * MIB
