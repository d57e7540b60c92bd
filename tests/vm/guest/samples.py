# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's stream of samples, read while pebs-touch runs, and judged against what pebs-touch did."""

import base64
import re
import struct
from dataclasses import dataclass

import pebs_perf

SAMPLER = "/sys/bus/virtio/drivers/virtio_tiermem/virtio*/sampler"
STREAM = "/sys/kernel/debug/virtio_tiermem/samples"
RECORD = struct.Struct("=QQIIII")  # struct tiermem_stream_sample of guest-virtio-driver/samples_stream.h


@dataclass(frozen=True)
class Sample:
    addr: int
    ip: int
    tgid: int
    cpu: int
    latency: int
    weight: int


def set_up(machine, **values):
    """Writes files of the sampler's folder."""
    for name, value in values.items():
        machine.run(f"cd {SAMPLER} && echo {value} >{name}")


def counters(machine):
    """The sampler's folder as {name: text}."""
    text = machine.run(f"cd {SAMPLER} && for f in *; do echo \"$f=$(cat $f)\"; done").output
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def of(machine, touches, timeout=1800):
    """Runs `pebs-touch WORDS` for each of the words at once, while the stream is read. Returns the samples and
    {process id: what pebs-touch says}."""
    start = " ".join(f"sh -c 'echo $$ >/tmp/pid{i}; exec pebs-touch {words}' >/tmp/touch{i} & pids=\"$pids $!\";"
                     for i, words in enumerate(touches))
    machine.run(f"cat {STREAM} >/tmp/samples & reader=$!; sleep 0.5; cat {SAMPLER}/lost_ring >/tmp/lost; pids=; {start} "
                f"wait $pids; sleep 1; cat {SAMPLER}/lost_ring >>/tmp/lost; kill $reader", timeout=timeout)
    data = base64.b64decode(machine.run("base64 /tmp/samples", timeout=timeout).output)
    samples = [Sample(*fields) for fields in RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size])]
    touched = {}
    for i in range(len(touches)):
        text = machine.run(f"cat /tmp/pid{i} /tmp/touch{i}").output
        touched[int(re.match(r"\d+", text)[0])] = pebs_perf.parse_touch(text)
    return samples, touched


def lost_by_ring(machine):
    """Samples that found the ring full during the last of(): from its reader's begin to its end, not while nobody reads."""
    before, after = map(int, machine.run("cat /tmp/lost").output.split())
    return after - before


def by_process(samples, touched):
    """{process: its samples that were made in pebs-touch's loops}"""
    return {pid: [s for s in samples if s.tgid == pid and s.ip in what.code] for pid, what in touched.items()}


def strangers(samples, touched):
    """Samples of the loops whose data is in another process's buffers, or nobody's."""
    return [s for pid, own in by_process(samples, touched).items() for s in own
            if s.addr not in touched[pid].hot and s.addr not in touched[pid].cold]
