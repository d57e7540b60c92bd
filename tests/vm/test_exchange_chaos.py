# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages are exchanged while programs drop, protect, move, lock, collapse and fork their memory, the kernel scans,
migrates, compacts and collapses it, and others read it: no content is lost and all counters come back."""

import exchange_kit
import pytest
import tiers

SECONDS, LONG = 30, 300
PATIENCE = 600  # seconds beyond them, on a host that is at work
BACKGROUND = """
echo 1 >/proc/sys/kernel/numa_balancing
cd /sys/kernel/debug/sched/numa_balancing && echo 50 >scan_period_min_ms && echo 20 >scan_delay_ms
echo 100 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
( while sleep 0.3; do echo 1 >/proc/sys/vm/compact_memory; done ) >/dev/null 2>&1 &
echo $! >/tmp/compacting
"""
CALM = "kill $(cat /tmp/compacting); echo 0 >/proc/sys/kernel/numa_balancing"
# Pages of anonymous memory by which an idle guest differs between two looks: a few small processes come and go.
SMALL = 512


FULL = [pytest.param(kernel, kind, seconds, marks=pytest.mark.full)
        for kernel, kind, seconds in (("6.1", "mixed", SECONDS), ("6.12", "huge", SECONDS),
                                      ("debug", "mixed", LONG), ("debug", "huge", LONG))]


@pytest.mark.parametrize("kernel,kind,seconds", [("6.1", "huge", SECONDS), ("6.12", "mixed", SECONDS), *FULL])
def test_chaos(boot, kernel, kind, seconds):
    machine = boot(**exchange_kit.settings(kernel, cpus=4))
    machine.run(f"modprobe {exchange_kit.NAME}")
    before = tiers.settled(machine)
    machine.run(BACKGROUND)
    output = machine.run(f"exchange-chaos {seconds} {kind}", timeout=seconds + PATIENCE).output
    machine.run(CALM)
    after = tiers.settled(machine)
    print(output)
    lines = [exchange_kit.values(line) for line in output.splitlines()]
    checks = [line for line in lines if "checked" in line]
    found = next(line for line in lines if "exchanged" in line)
    assert len(checks) == 2 and all(line["checked"] > 0 and line["wrong"] == 0 for line in checks), output
    # The disturbances were there, and so were exchanges.
    assert found["exchanged"] > 0 and (kind == "mixed" or found["huge"] == found["exchanged"]), output
    assert all(tiers.growth(before, after, ["numa_pte_updates"]).values())
    assert found["rebuilt"] + found["zapped"] + found["split"] > 0, output
    for name in ("nr_anon_pages", "nr_mlock", "nr_inactive_anon", "nr_active_anon", "nr_page_table_pages"):
        assert abs(after[name] - before[name]) < SMALL, name
    assert after["nr_anon_transparent_hugepages"] == before["nr_anon_transparent_hugepages"]
