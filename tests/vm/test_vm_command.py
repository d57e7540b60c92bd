# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/vm as others call it: exit status, output, added files, and the machine that was asked for."""

import subprocess
from pathlib import Path

import pytest

VM = Path(__file__).resolve().parents[2] / "scripts/vm"
TIME_IS_OVER, MACHINE_FAILED = 124, 125


def vm(*words):
    """(status, stdout, stderr) of scripts/vm."""
    done = subprocess.run([VM, *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.quick
def test_the_machine_is_the_one_asked_for(tmp_path):
    (tmp_path / "file").write_text("content\n")
    status, output, _ = vm("--kernel", "6.12", "--fast", "192M", "--slow", "256M", "--fast-quota", "128M", "--cpus", 3,
                           "--append", "some.word=1", "--add", f"{tmp_path}/file:/root/deep/file", "--",
                           "cat /root/deep/file; uname -r; nproc; id -u; ls /sys/bus/virtio/drivers/virtio_tiermem;"
                           "grep -o some.word=1 /proc/cmdline; cat /sys/bus/memory_tiering/devices/*/nodelist; exit 42")
    lines = output.splitlines()
    assert status == 42
    assert lines[0] == "content" and lines[1].startswith("6.12.") and lines[2:4] == ["3", "0"]
    assert any(line.startswith("virtio") for line in lines[4:])
    assert "some.word=1" in lines and {"0", "1"} <= set(lines[4:])


def test_several_words_are_a_program_and_its_arguments():
    assert vm("--no-tiermem", "--", "printf", "%s|", "a b", "$HOME", "'") == (0, "a b|$HOME|'|", "")


def test_the_end_of_time():
    for seconds in (10, 40, 160):  # a slow host takes so long to boot
        status, output, errors = vm("--no-tiermem", "--timeout", seconds, "--", "echo begun; sleep 1000")
        assert status == TIME_IS_OVER
        if output:
            break
    assert output == "begun\n"
    assert "console: " in errors


def test_a_panic_is_no_success():
    status, _, errors = vm("--no-tiermem", "--", "echo c > /proc/sysrq-trigger; sleep 60")
    assert status == MACHINE_FAILED
    console = next(line.split(": ", 1)[1] for line in errors.splitlines() if line.startswith("console: "))
    assert "sysrq triggered crash" in Path(console).read_text()


@pytest.mark.quick
@pytest.mark.parametrize("words, message", [
    (["--fast", "3X", "--", "true"], "no size"), (["--fast", "3M", "--", "true"], "64M or more"),
    (["--kernel", "5.10", "--", "true"], "choose from"), (["--timeout", "0", "--", "true"], "above 0"),
    (["--add", "/nowhere:/x", "--", "true"], "/nowhere does not exist"), (["--add", "/etc/passwd", "--", "true"], "not HOSTFILE"),
    (["--cpus", "0", "--", "true"], "cpus"), (["--qemu", "/nowhere", "--", "true"], "build-qemu"), ([], "COMMAND"),
])
def test_bad_arguments_are_refused_by_name(words, message):
    status, output, errors = vm(*words)
    assert status in (2, MACHINE_FAILED) and output == "" and message in errors and "Traceback" not in errors


def test_what_qemu_refuses_is_shown():
    status, _, errors = vm("--device-options", "fast-quota-typo=1", "--", "true")
    assert status == MACHINE_FAILED and "fast-quota-typo" in errors
