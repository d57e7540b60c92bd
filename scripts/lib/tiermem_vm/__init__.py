# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual machines with two memory tiers, for scripts and for pytest.

    with Machine(Config(kernel="6.12", fast=parse_size("1G"))) as machine:
        machine.wait_driver()
        print(machine.run("cat /proc/meminfo").output)
        machine.qmp("query-tiermem")

QEMU's own Python packages must be there: scripts/build-qemu puts them into build/qemu/python.
"""

import sys

from tiermem_build.paths import BUILD

sys.path.append(str(BUILD / "qemu/python"))

from .config import Config  # noqa: E402
from .errors import MachineError, Timeout  # noqa: E402
from .machine import Machine  # noqa: E402
from .sizes import format_size, parse_size  # noqa: E402

__all__ = ["Config", "Machine", "MachineError", "Timeout", "format_size", "parse_size"]
