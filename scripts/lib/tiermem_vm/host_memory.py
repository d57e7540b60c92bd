# SPDX-License-Identifier: GPL-2.0-or-later
"""What the host really holds of a machine's memory, as the kernel counts it, not as QEMU says."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

HUGE_PAGE = 2 << 20
HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PAGE = os.sysconf("SC_PAGE_SIZE")


def block_address(ramblocks, name):
    """(host address, bytes) of a memory backend, from HMP's `info ramblock`."""
    for line in ramblocks.splitlines():
        words = line.split()
        if words and words[0] in (name, f"/objects/{name}"):
            numbers = [int(word, 16) for word in words if word.startswith("0x")]
            return numbers[3], numbers[1]
    raise KeyError(f"no RAM block {name} in:\n{ramblocks}")


def resident(pid, address, size):
    """Bytes of [address, address + size) that take host memory: of a private mapping its resident pages, of a
    shared one the blocks of its file, since those stay when the page is merely unmapped."""
    total = 0
    for start, end, inode, rss in _mappings(pid):
        if start < address + size and end > address:
            file = Path(f"/proc/{pid}/map_files/{start:x}-{end:x}")
            total += file.stat().st_blocks * 512 if inode else rss
    return total


def _mappings(pid):
    """(start, end, inode, resident bytes) of each mapping."""
    header = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)")
    current = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        found = header.match(line)
        if found:
            current = int(found[1], 16), int(found[2], 16), int(found[3])
        elif line.startswith("Rss:"):
            yield *current, int(line.split()[1]) * 1024


def usage(pid):
    """{"resident", "peak"} in bytes and {"minor-faults", "major-faults"} of the whole QEMU process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return {"resident": int(status["VmRSS"].split()[0]) * 1024, "peak": int(status["VmHWM"].split()[0]) * 1024,
            "minor-faults": int(fields[7]), "major-faults": int(fields[9])}


def free_huge_pages():
    """Bytes of 2 MiB pages that the host has set aside and not given away."""
    return _huge_pages("free_hugepages") * HUGE_PAGE


def _huge_pages(name):
    file = HUGE_PAGES / name
    return int(file.read_text()) if file.exists() else 0


@contextmanager
def huge_pages(size):
    """Sets 2 MiB pages aside so that `size` bytes are free, and gives back what it took. Yields the bytes that are
    free: fewer without root or with fragmented memory."""
    before = _huge_pages("nr_hugepages")
    missing = -(-max(0, size - free_huge_pages()) // HUGE_PAGE)
    may = missing and os.access(HUGE_PAGES / "nr_hugepages", os.W_OK)
    if may:
        (HUGE_PAGES / "nr_hugepages").write_text(str(before + missing))
    try:
        yield free_huge_pages()
    finally:
        if may:
            (HUGE_PAGES / "nr_hugepages").write_text(str(before))
