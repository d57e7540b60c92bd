# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's build fails for whatever the tools complain about, but for the one known remark."""

import pytest

from tiermem_build import log, module


@pytest.mark.parametrize("line", [
    "x.c:2:38: warning: unused variable 'x' [-Wunused-variable]", "x.o: warning: objtool: f()+0x1: unreachable instruction",
    "WARNING: modpost: missing MODULE_DESCRIPTION() in x.o", "ERROR: modpost: \"f\" [x.ko] undefined!",
    "ld: warning: x.o: missing .note.GNU-stack section"])
def test_a_complaint_is_a_failure(tmp_path, line):
    (tmp_path / "log").write_text(f"  CC [M]  x.o\n{line}\n")
    with pytest.raises(log.Failed, match="warned"):
        module._refuse_warnings(tmp_path / "log")


def test_the_known_remark_passes(tmp_path):
    (tmp_path / "log").write_text("Skipping BTF generation for /a/warning.ko due to unavailability of vmlinux\n  LD [M] x.ko\n")
    module._refuse_warnings(tmp_path / "log")
