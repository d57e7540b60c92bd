# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose free memory is single pages between page cache and slab still reaches its quotas."""

import tiers
from tiers import MIB

SPREAD = {"fast": 320 * MIB, "slow": 288 * MIB}  # what page cache and slab are spread over
QUOTAS = {"fast": 280 * MIB, "slow": 180 * MIB}  # the slow node gives what was kept free, and then single pages
KEPT = 90  # MiB that `fragment` leaves free: above the kernel's watermarks
SHORT = 64  # pages; ranges of free memory that was never used are of 1024


def test_fragmented_memory(guest):
    """[TM-DRV-QUOTA-1] [TM-DRV-SUR-1] [TM-DRV-REQ-1] [TM-DRV-REQ-2] [TM-DRV-REQ-3]
    [TM-DEV-REQ-21] [TM-DEV-REC-5]"""
    whole = tiers.mem_total(guest)
    tiers.resize(guest, **SPREAD)
    guest.run("mount -t tmpfs -o size=100%,nr_inodes=0 tmpfs /mnt")
    output = guest.run(f"fragment /mnt {KEPT}", timeout=300).output
    files = int(output.split("files=")[1])
    tiers.trace(guest, "tiermem/tiermem_request")
    tiers.resize(guest, **QUOTAS)

    requests = [fields for _, fields in tiers.traced(guest, "tiermem_request")]
    pages, ranges = (sum(int(fields[name]) for fields in requests) for name in ("pages", "ranges"))
    assert pages == (sum(SPREAD.values()) - sum(QUOTAS.values())) // tiers.PAGE
    assert pages <= SHORT * ranges, f"memory was not fragmented: {pages} pages in {ranges} ranges"
    assert all(fields["status"] == "0" for fields in requests), requests

    left = guest.run("find /mnt -type f | wc -l; find /mnt -type f -exec cat {} + | tr -d x | wc -c", timeout=180).output
    assert [int(number) for number in left.split()] == [files, 0], "files that are left, bytes that are wrong"
    assert tiers.kills(guest) == 0
    guest.run("umount /mnt", timeout=180)
    tiers.resize(guest, 512 * MIB, 512 * MIB)
    assert tiers.mem_total(guest) == whole
