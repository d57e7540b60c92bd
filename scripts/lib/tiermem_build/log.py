# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress on stderr, and commands whose output goes to a file that is named when they fail.

Nothing here writes to stdout: that belongs to the result of a script.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

START = time.monotonic()
HEARTBEAT = 15  # seconds between two signs of life of a long command
TAIL_LINES = 40  # of a failed command's output that are shown


class Failed(Exception):
    """A step failed; the text is for the user and names the log."""


def step(text):
    """Says what begins now, with the seconds since the script began."""
    print(f"[{time.monotonic() - START:6.1f} s] {text}", file=sys.stderr, flush=True)


def need_root(what):
    """Raises Failed unless we are root."""
    if os.geteuid() != 0:
        raise Failed(f"{what} needs root: run this with sudo")


def run_script(name, main):
    """Runs a script's main function and ends with its status; what went wrong becomes the script's last words."""
    try:
        sys.exit(main())
    except Failed as problem:
        sys.exit(f"{name}: {problem}")
    except subprocess.CalledProcessError as problem:
        sys.exit(f"{name}: {' '.join(map(str, problem.cmd))} ended with status {problem.returncode}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def last_line(path):
    """The last line of a growing file, cut to the width of a terminal."""
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 2000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:100] if lines else ""


def tail(path, lines=TAIL_LINES):
    """The last lines of a file."""
    return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])


def run(command, log, what, **popen):
    """Runs a command with its output in the file `log`; raises Failed with the tail of it."""
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, **popen)
        status = _wait(process, log, what)
    if status != 0:
        raise Failed(f"{what} failed (exit status {status}); log: {log}\n{tail(log)}")


def _wait(process, log, what):
    """Waits with a sign of life now and then; ends the command if the script is ended."""
    try:
        while True:
            try:
                return process.wait(timeout=HEARTBEAT)
            except subprocess.TimeoutExpired:
                step(f"{what}: {last_line(log)}")
    except BaseException:
        process.terminate()
        process.wait()
        raise
