# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong with a machine."""


class MachineError(Exception):
    """The machine did not do what was asked; the text names the logs to look at."""


class Timeout(MachineError):
    """It did not do so in time."""
