#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tierload as a command: exit statuses, and JSON lines that say what was done. Usage: command.py TIERLOAD TIERLOAD_MARK"""

import json
import subprocess
import sys

SMALL = ["--size", "16M", "--hot", "2M", "--seconds", "0.3", "--interval", "0.1"]


def run(*words, program=sys.argv[1]):
    """(status, stdout, stderr) of tierload, or of tierload-mark."""
    done = subprocess.run([program, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr


def check_every_workload():
    status, names, _ = run("--list")
    assert status == 0 and len(names.splitlines()) >= 8, names
    for name in [line.split()[0] for line in names.splitlines()]:
        status, output, errors = run(name, *SMALL, "--processes", "2", "--json", "--oracle", "--fast-bytes", "8M")
        assert (status, errors) == (0, ""), f"{name}: {status} {errors}"
        events = [json.loads(line) for line in output.splitlines()]
        kinds = [event["event"] for event in events]
        assert kinds[0] == "settings" and kinds[-2:] == ["end", "total"] and "oracle" in kinds, f"{name}: {kinds}"
        assert ("shift" in kinds) == (name == "shift"), f"{name}: {kinds}"
        by_interval = sum(event["interval_operations"] for event in events if event["event"] == "interval")
        total = events[-1]["operations"]
        assert total > 0 and by_interval == total, f"{name}: {by_interval} of {total}"
        times = [event["guest_ns"] for event in events if "guest_ns" in event]
        assert times == sorted(times), f"{name}: {times}"


def check_watched_files():
    number = "/proc/sys/kernel/pid_max"
    _, output, _ = run("gups", *SMALL, "--json", "--watch", number, "/no/such/file", "/proc/sys/kernel/ostype")
    marks = [event for event in map(json.loads, output.splitlines()) if "vmstat" in event]
    assert marks and all(set(event["watched"]) == {number} and event["watched"][number] > 0 for event in marks), output


def check_bad_input():
    for words, said in ((["gubs"], "'gubs' is unknown"), ([], "workload '' is unknown"),
                        (["gups", "--size", "3M"], "--size"), (["gups", "--hot", "x"], "--hot"),
                        (["gups", "--thp", "maybe"], "--thp"), (["gups", "--seconds", "-1"], "--seconds"),
                        (["gups", "--no-such-option"], "--no-such-option")):
        status, output, errors = run(*words)
        assert status == 2 and said in errors and not output, f"{words}: {status} {output} {errors}"


def check_marks():
    mark = sys.argv[2]
    status, output, _ = run("end", "--operations", "7", "--watch", "/proc/sys/kernel/pid_max", program=mark)
    line = json.loads(output)
    assert status == 0 and (line["event"], line["operations"], len(line["watched"])) == ("end", 7, 1), output
    assert line["guest_ns"] > 0 and line["tsc"] > 0 and "pgmigrate_success" in line["vmstat"], output
    for words, said in (([], "name"), (["end", "--operations", "-1"], "--operations"), (["end", "start"], "start")):
        status, output, errors = run(*words, program=mark)
        assert status == 2 and said in errors and not output, f"{words}: {status} {output} {errors}"


check_every_workload()
check_marks()
check_watched_files()
check_bad_input()
