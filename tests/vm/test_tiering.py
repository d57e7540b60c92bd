# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole loop in a guest: what is hot gets fast, by itself, whatever it is mapped by, and nothing is lost."""

import re
import time

import exchange_kit
import pebs_perf
import programs
import pytest
import tiers
from tiers import MIB

HOT, COLD = 48, 200  # MiB
ROOM = 128 * MIB  # of the fast tier: HOT, a part of COLD, and what the kernel keeps free (50 MiB)
LOG, HELD = "/tmp/heat", "/tmp/held-log"
SLOW_HOST = 240  # seconds for what takes five on an idle one
TIERING = f"{tiers.SYSFS}/tiering"
CPUS = {"6.1": "skylake", "6.12": "icelake"}


def start(kernel, **settings):
    machine = pebs_perf.machine(kernel, CPUS[kernel], **{
        "tiermem": True, "tiermem_options": "cpu-budget=1000", "fast": 512 * MIB, "slow": 768 * MIB, "cpus": 2,
        "append": "no_timer_check", "modules": [exchange_kit.build_module(kernel)], **settings})
    machine.config.add += [programs.build("heat"), programs.build("where"), programs.build("hog"), programs.build("grow"),
                           *exchange_kit.build_programs()]
    machine.start()
    tiers.wait_probed(machine)
    # A kernel that moves pages by itself would be measured with us.
    machine.run(f"{pebs_perf.NO_THROTTLING}; echo 0 >/proc/sys/kernel/numa_balancing")
    tiers.resize(machine, (tiers.node_taken(machine)[0] + ROOM) // (4 * MIB) * 4 * MIB)
    return machine


@pytest.fixture
def guest(machines, kernel, request):
    """A machine whose fast tier has ROOM for processes. One that a test has failed on is not used again."""
    if kernel not in machines:
        machines[kernel] = start(kernel)
    machine = machines[kernel]
    failed = request.session.testsfailed
    complaints = len(machine.complaints())
    yield machine
    if request.session.testsfailed > failed:
        machines.pop(kernel).stop()
    else:
        assert machine.complaints()[complaints:] == []


def make_cgroup(machine, name, controller, **files):
    """A cgroup of one controller; `files`: what is written into which of the controller's, by their last names."""
    folder = f"/sys/fs/cgroup/{name}"
    machine.run(f"echo +{controller} >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p {folder}" + "".join(
        f" && echo {value} >{folder}/{controller}.{file}" for file, value in files.items()))


def start_hog(machine, mib, cgroup=None):
    """Takes memory that is not used from then on; returns when it is taken."""
    tiers.start(machine, tiers.enter(cgroup) + f"hog {mib} 0", "/tmp/hog")
    tiers.until(lambda: "more_ms" in machine.run("cat /tmp/hog").output, lambda: "hog does not answer", SLOW_HOST)


def end(machine, program):
    """Ends a program whose log has its name; returns when it has gone."""
    machine.run(f"kill $(pidof {program})")
    tiers.until(lambda: tiers.finished(machine, f"/tmp/{program}"), lambda: f"{program} goes on", SLOW_HOST)


class Heat:
    """The program `heat` while it runs in the guest."""

    def __init__(self, machine, kind="base", hot=HOT, cold=COLD, cgroup=None):
        self.machine = machine
        machine.run("rm -f /tmp/end; mkfifo /tmp/end")
        tiers.start(machine, tiers.enter(cgroup) + f"heat {kind} {hot} {cold} <>/tmp/end", LOG)
        tiers.until(lambda: "hot=" in self.output, lambda: self.output, SLOW_HOST)

    @property
    def output(self):
        return self.machine.run(f"cat {LOG} 2>/dev/null", check=False).output

    def nodes(self, area="hot"):
        """[pages on node 0, on node 1] of the hot or the cold area."""
        start, pid = re.search(rf"{area}=(\w+).* pid=(\d+)", self.output).groups()
        text = self.machine.run(f"grep -h ^{start} /proc/{pid}/numa_maps").output
        return [int(match[1]) if (match := re.search(rf" N{node}=(\d+)", text)) else 0 for node in (0, 1)]

    def share(self):
        fast, slow = self.nodes()
        return fast / (fast + slow)

    def stayed_slow(self):
        """Checks that no hot page is fast, nor was any lost (those whose turn it is are mapped nowhere for a moment)."""
        tiers.until(lambda: (nodes := self.nodes())[0] or nodes[1] == HOT * MIB // tiers.PAGE, self.nodes, SLOW_HOST)
        assert self.nodes()[0] == 0

    def end(self):
        """Checks that nothing was lost."""
        self.machine.run("echo >/tmp/end")
        status, output = tiers.until(lambda: tiers.finished(self.machine, LOG), lambda: self.output, SLOW_HOST)
        assert status == 0 and "errors=0 " in output, output


def counter(machine, name):
    return int(machine.run(f"cat {TIERING}/{name}").output)


def outcomes(machine):
    """{outcome of a pair: how often}"""
    lines = machine.run(f"cat {TIERING}/outcomes").output.splitlines()
    return {name: int(number) for name, number in (line.split() for line in lines)}


def becomes_fast(heat, share=0.9):
    tiers.until(lambda: heat.share() >= share,
                lambda: f"{heat.nodes()} {heat.machine.run(f'head -50 {TIERING}/* 2>&1', check=False).output}",
                SLOW_HOST, pause=0.5)


THP = "/sys/kernel/mm/transparent_hugepage/hugepages-"


@pytest.fixture
def sizes(guest, kernel, kind):
    """Of folios where huge ones are asked for: 64 KiB for mthp, which 6.1 does not have."""
    if kind != "mthp":
        yield
        return
    if kernel == "6.1":
        pytest.skip("6.1 has no folios of 64 KiB")
    guest.run(f"echo never >{THP}2048kB/enabled; echo madvise >{THP}64kB/enabled")
    yield
    guest.run(f"echo never >{THP}64kB/enabled; echo inherit >{THP}2048kB/enabled")


@pytest.mark.parametrize("kind", ["base", "huge", "mthp", "shared"])
def test_what_is_hot_gets_fast(guest, kind, sizes):
    """It was touched last, so it began on the slow tier; the cold part was there first."""
    exchanged, migrated = outcomes(guest)["exchanged"], counter(guest, "migrated")
    heat = Heat(guest, "huge" if kind == "mthp" else kind)
    becomes_fast(heat)
    if kind == "base":
        assert outcomes(guest)["exchanged"] > exchanged
    if kind in ("mthp", "shared"):  # which the exchanger refuses
        assert counter(guest, "migrated") > migrated
    heat.end()


def test_what_is_bound_stays(guest):
    """A policy that names the slow node is respected, however hot its memory is."""
    heat = Heat(guest, "slow")
    refused = outcomes(guest)["policy"]
    tiers.until(lambda: outcomes(guest)["policy"] > refused, lambda: outcomes(guest), SLOW_HOST, pause=0.5)
    heat.stayed_slow()
    heat.end()


def unmoved(machine):
    """{why the migration moved nothing: how often}"""
    return exchange_kit.values(machine.run(f"sed 's/ /=/' {TIERING}/unmoved").output.replace("\n", " "))


@pytest.mark.parametrize("kind", ["base", "shared"])
def test_what_a_cpuset_binds_stays(guest, kind):
    """However hot it is; shared memory, which the exchanger leaves to the migration, is refused there."""
    def refused():
        return outcomes(guest)["cpuset"] if kind == "base" else unmoved(guest)["policy"]
    make_cgroup(guest, "bound", "cpuset", mems=1)
    before = refused()
    heat = Heat(guest, kind, cgroup="bound")
    tiers.until(lambda: refused() > before, refused, SLOW_HOST, pause=0.5)
    heat.stayed_slow()
    heat.end()
    guest.run("rmdir /sys/fs/cgroup/bound")


def test_between_cgroups(guest):
    """What is hot in one and what is cold in the other cannot trade places, and change tiers all the same; each keeps
    what it is charged for."""
    def charged():
        return [int(guest.run(f"cat /sys/fs/cgroup/{name}/memory.current").output) for name in ("idle", "busy")]
    for name in ("idle", "busy"):
        make_cgroup(guest, name, "memory")
    tiers.tiering(guest, False)  # it would make room for what is new
    start_hog(guest, 160, "idle")
    heat = Heat(guest, cold=8, cgroup="busy")
    assert heat.share() <= 0.2, "the fast tier has no room"
    before = charged()
    tiers.tiering(guest, True)
    refused, migrated = outcomes(guest)["cgroup"], counter(guest, "migrated")
    becomes_fast(heat)
    assert outcomes(guest)["cgroup"] > refused and counter(guest, "migrated") > migrated
    # Statistics of cgroups are precise to some pages for each CPU.
    assert all(abs(now - then) <= 2 * MIB for now, then in zip(charged(), before)), f"{before} {charged()}"
    heat.end()
    end(guest, "hog")
    guest.run("rmdir /sys/fs/cgroup/idle /sys/fs/cgroup/busy")


def test_what_is_young_is_fast(guest):
    """New memory of a program that grows lands in a fast tier that is full: what is coldest makes room beforehand."""
    def grown():
        tiers.start(guest, "grow 48", "/tmp/grow")
        found = exchange_kit.values(tiers.until(lambda: guest.run("cat /tmp/grow").output, lambda: "grow does not answer",
                                                SLOW_HOST, pause=0.5))
        end(guest, "grow")
        return found["fast"] / found["all"]
    heat = Heat(guest, hot=16)
    becomes_fast(heat)
    tiers.tiering(guest, False)
    without = grown()
    tiers.tiering(guest, True)
    learned = counter(guest, "epochs") + 20  # what is cold, and what grows, is not known at once
    tiers.until(lambda: counter(guest, "epochs") >= learned, lambda: counter(guest, "epochs"), SLOW_HOST, pause=0.5)
    share = grown()
    print(f"{without:.2f} of new memory is fast without tiering, {share:.2f} with it")
    assert share >= without + 0.5
    heat.end()


def where(machine, name):
    """Bytes of a file's page cache on nodes 0 and 1."""
    return [int(pages) * tiers.PAGE for pages in machine.run(f"where {name}").output.split()]


def test_files_that_nobody_uses_make_room(guest):
    """Page cache that no page table maps goes to the slow tier for what is hot, with its content; what is bound to the
    fast node, and what is read all the time, stays."""
    guest.run("mkdir -p /tmp/idle /tmp/bound && mount -t tmpfs none /tmp/idle && "
              "mount -t tmpfs -o mpol=bind:0 none /tmp/bound")
    others = guest.run("cat /sys/devices/system/node/node0/meminfo").output
    others = int(re.search(r" Shmem: +(\d+) kB", others)[1]) * 1024
    files = {"bound/file": 16, "idle/used": 8, "idle/file": 32}
    for name, size in files.items():
        guest.run(f"head -c {size * MIB} /dev/urandom >/tmp/{name}", timeout=SLOW_HOST)
        assert where(guest, f"/tmp/{name}")[0] >= (size - 1) * MIB, "the fast tier has room"
    digest = guest.run("md5sum </tmp/idle/file", timeout=SLOW_HOST).output
    tiers.start(guest, "while [ -e /tmp/idle/used ]; do cat /tmp/idle/used >/dev/null; done", "/tmp/reader")
    moved = counter(guest, "idle_demoted")
    # More is hot than finds room beside the files, even if all of the image's own files leave.
    heat = Heat(guest, hot=2 * HOT)
    tiers.until(lambda: counter(guest, "idle_demoted") - moved >= others + 8 * MIB,
                lambda: f"{counter(guest, 'idle_demoted') - moved} bytes, {others} of other files", SLOW_HOST, pause=0.5)
    heat.end()
    assert where(guest, "/tmp/idle/file")[1] >= 8 * MIB
    assert where(guest, "/tmp/bound/file") == [16 * MIB, 0]
    assert where(guest, "/tmp/idle/used")[0] >= 4 * MIB
    assert guest.run("md5sum </tmp/idle/file", timeout=SLOW_HOST).output == digest
    guest.run("rm /tmp/idle/used")
    tiers.until(lambda: tiers.finished(guest, "/tmp/reader"), lambda: "the reader goes on", SLOW_HOST)
    guest.run("umount /tmp/idle /tmp/bound")


def test_shared_memory_that_is_bound_stays(guest):
    """Two files in memory that a process maps and does not use: the one is demoted, the other, which its mount binds to
    the fast node, stays, though the mapping says nothing of that."""
    size = 24 * MIB
    for name, options in (("free", ""), ("bound", "-o mpol=bind:0")):
        guest.run(f"mkdir -p /tmp/{name} && mount -t tmpfs {options} none /tmp/{name} && "
                  f"head -c {size} /dev/urandom >/tmp/{name}/mapped", timeout=SLOW_HOST)
        tiers.start(guest, f"where /tmp/{name}/mapped hold", f"/tmp/{name}-log")
        tiers.until(lambda name=name: guest.run(f"cat /tmp/{name}-log").output, lambda: "where does not answer", SLOW_HOST)

    def fast(name):
        text = guest.run("for pid in $(pidof where); do cat /proc/$pid/numa_maps; done").output
        return sum(map(int, re.findall(rf"file=/tmp/{name}/mapped .*? N0=(\d+)", text))) * tiers.PAGE
    assert fast("free") >= size - 4 * MIB, "the fast tier has room"
    heat = Heat(guest, hot=2 * HOT)
    tiers.until(lambda: fast("free") <= size // 2, lambda: f"{fast('free')} of {size} bytes", SLOW_HOST, pause=0.5)
    assert fast("bound") == size
    heat.end()
    guest.run("killall where")
    tiers.until(lambda: all(tiers.finished(guest, f"/tmp/{name}-log") for name in ("free", "bound")),
                lambda: "where goes on", SLOW_HOST)
    guest.run("umount /tmp/free /tmp/bound")


def test_what_somebody_uses_stays(guest):
    """Shared memory that is mapped twice, by one who works on it and by one who sleeps: it is hot, and not moved away
    for the sleeper's sake to be fetched back."""
    heat = Heat(guest, "forked")
    becomes_fast(heat)

    def demoted_in(epochs):
        before, end = counter(guest, "demoted"), counter(guest, "epochs") + epochs
        tiers.until(lambda: counter(guest, "epochs") >= end, lambda: counter(guest, "epochs"), SLOW_HOST, pause=0.5)
        return counter(guest, "demoted") - before
    # Other things have to find their place first.
    tiers.until(lambda: demoted_in(40) <= HOT * MIB // 8, lambda: "pages come and go", SLOW_HOST)
    assert heat.share() >= 0.9
    heat.end()


def test_what_sleeps_gives_up_its_place(guest):
    """The memory of a process that is never sampled, as it did its work before there was a driver, makes room too."""
    tiers.tiering(guest, False)
    start_hog(guest, 56)
    tiers.tiering(guest, True)

    def fast():
        return sum(map(int, re.findall(r" N0=(\d+)", guest.run("cat /proc/$(pidof hog)/numa_maps").output))) * tiers.PAGE
    before = fast()
    assert before >= 48 * MIB, "the fast tier has room"
    heat = Heat(guest, hot=2 * HOT)
    tiers.until(lambda: fast() <= before - 16 * MIB, lambda: f"{fast()} of {before} bytes", SLOW_HOST, pause=0.5)
    heat.end()
    end(guest, "hog")


def test_what_grows_gets_a_finer_map(guest):
    """A process that was small when it became known is known anew."""
    guest.run("rm -f /tmp/go; mkfifo /tmp/go")
    tiers.start(guest, "hog 24 320 <>/tmp/go", "/tmp/grower")
    heat = Heat(guest)  # a guest in which nothing happens is not searched
    pid, heat_pid = (guest.run(f"pidof {name}").output.strip() for name in ("hog", "heat"))
    both = "cut -d ' ' -f 1 /sys/kernel/debug/virtio_tiermem/ranges | sort -u"
    tiers.until(lambda: {pid, heat_pid} <= set(guest.run(both).output.split()), lambda: guest.run(both).output, SLOW_HOST)

    def maps():
        """Without those of the shells that look: they are known for an epoch or two."""
        return min(counter(guest, "map_bytes") for _ in range(12))
    before = maps()
    assert before >= 2 * 64 << 10
    guest.run("echo >/tmp/go")
    tiers.until(lambda: maps() >= before + (256 << 10), lambda: f"{before} {maps()}", SLOW_HOST)
    guest.run(f"kill {pid}")
    tiers.until(lambda: maps() < before, maps, SLOW_HOST)
    heat.end()


def test_a_smaller_fast_tier_keeps_what_is_hot(guest):
    """A third of the room is taken while a program works: the quota is met, the cold part pays for it, and nothing is
    swapped, reclaimed from page tables or killed. What is given back is filled with what is hot."""
    heat = Heat(guest)
    becomes_fast(heat)
    before = tiers.values(guest, "actual")[0]
    killed = tiers.kills(guest)
    tiers.resize(guest, before - 32 * MIB)
    assert tiers.kills(guest) == killed
    # numa_maps does not count pages that are on their way just now; what was swapped out would never be there again.
    tiers.until(lambda: sum(heat.nodes("cold")) == COLD * MIB // tiers.PAGE, lambda: heat.nodes("cold"), SLOW_HOST)
    becomes_fast(heat, 0.8)
    tiers.resize(guest, before)
    becomes_fast(heat)
    heat.end()


def test_what_becomes_free_is_taken_first(guest):
    """A shrink without tiering, for which pages in use are moved: in between, what lies free is always asked for."""
    tiers.tiering(guest, False)
    start_hog(guest, 100)
    before = tiers.values(guest, "actual")[0]
    tiers.trace(guest, "tiermem/tiermem_take")
    tiers.resize(guest, before - 64 * MIB)
    efforts = [fields["effort"] for _, fields in tiers.traced(guest, "tiermem_take") if fields["tier"] == "0"]
    assert efforts.count("move") >= 2, efforts
    assert all(pair != ("move", "move") for pair in zip(efforts, efforts[1:])), efforts
    end(guest, "hog")
    tiers.resize(guest, before)
    tiers.tiering(guest, True)


def unload(guest):
    before = time.monotonic()
    guest.run("rmmod virtio_tiermem", timeout=SLOW_HOST)
    took = time.monotonic() - before
    print(f"rmmod took {took:.2f} s")


def load_again(guest):
    guest.run("modprobe virtio_tiermem || insmod /lib/modules/$(uname -r)/*/virtio_tiermem.ko", timeout=SLOW_HOST)
    tiers.wait_probed(guest, guest.console.count(" tier 1: node 1, "))
    guest.run(f"echo 0 >/proc/sys/kernel/numa_balancing; cat {TIERING}/enabled")
    tiers.wait_reached(guest)


def test_unload_while_pages_move(guest):
    """Within two seconds on an idle host, and the program notices nothing; afterwards all begins again."""
    heat = Heat(guest)
    moved = counter(guest, "promoted")
    tiers.until(lambda: counter(guest, "promoted") > moved, lambda: "nothing is promoted", SLOW_HOST)
    unload(guest)
    load_again(guest)
    becomes_fast(heat)
    heat.end()


def test_unload_while_a_process_holds_its_lock(guest):
    """The mmap lock of a process whose pages are being moved is held as long as the test likes: the driver goes before
    it is given back."""
    heat = Heat(guest)
    guest.run(f"modprobe {exchange_kit.NAME}; rm -f /tmp/held; mkfifo /tmp/held")
    tiers.start(guest, f"hold-space $(pidof heat) $(echo {TIERING}/promoted) /tmp/held", HELD)
    tiers.until(lambda: "held" in guest.run(f"cat {HELD}").output, lambda: guest.run(f"cat {HELD}").output, SLOW_HOST)
    unload(guest)
    assert tiers.finished(guest, HELD) is None, guest.run(f"cat {HELD}").output
    guest.run(": >/tmp/held", timeout=SLOW_HOST)
    tiers.until(lambda: tiers.finished(guest, HELD), lambda: "the lock is still held", SLOW_HOST)
    guest.run(f"rmmod {exchange_kit.NAME}")
    load_again(guest)
    becomes_fast(heat)
    heat.end()


def test_on_and_off(guest):
    """Off, nothing is looked at; values that make no sense are refused and change nothing."""
    assert counter(guest, "enabled") == 1
    for value in ("2", "maybe", "''"):
        refused = guest.run(f"cd {TIERING} && echo {value} >enabled", check=False)
        assert refused.status != 0 and "Invalid argument" in refused.output, value
    assert counter(guest, "enabled") == 1
    tiers.tiering(guest, False)
    assert guest.run(f"cat {tiers.SYSFS}/sampler/enabled").output == "0\n"
    epochs = counter(guest, "epochs")
    guest.run("sleep 2")
    assert counter(guest, "epochs") == epochs and counter(guest, "spaces") == 0
    tiers.tiering(guest, True)
    tiers.tiering(guest, True)  # again does no harm
    tiers.until(lambda: counter(guest, "epochs") > epochs, lambda: "no epoch")


def curve(machine):
    """[(bytes, accesses per second within them)] by descending heat, as the guest tells the host."""
    stats = tiers.device(machine)["stats"]
    assert stats["doubts"] == [], stats
    columns = [[value["value"] for value in stats["values"] if value["name"] == name]
               for name in ("curve-bytes", "curve-rate")]
    return list(zip(*columns))


def test_the_host_sees_what_is_hot(guest):
    """The hotness curve: most accesses fall to few bytes, there are no more bytes than memory, and the device finds
    nothing to doubt in it."""
    heat = Heat(guest)

    def share_of_hot():
        points = curve(guest)
        hot = max((rate for size, rate in points if size <= 2 * HOT * MIB), default=0)
        return hot / max(1, points[-1][1] if points else 0)
    tiers.until(lambda: share_of_hot() > 0.75, lambda: curve(guest), SLOW_HOST, pause=0.5)
    assert curve(guest)[-1][0] <= sum(tier["size"] for tier in tiers.device(guest)["tiers"])
    heat.end()


def check_sleep(machine):
    """Where nothing runs, the driver wakes up twice a second at most: issue 7."""
    settle, seconds = 8, 10  # to look is to use memory
    tiers.trace(machine, "sched/sched_waking", "workqueue/workqueue_execute_start")
    begin = float(machine.run("cat /proc/uptime").output.split()[0]) + settle
    machine.run(f"sleep {settle + seconds}; echo 0 >/sys/kernel/tracing/tracing_on")
    lines = machine.run(r"grep -E 'sched_waking: comm=tiermem |execute_start: .*\[virtio_tiermem\]' /sys/kernel/tracing/trace",
                        check=False).output.splitlines()
    woken = [line for line in lines if begin <= float(re.search(r" (\d+\.\d+): ", line)[1]) < begin + seconds]
    assert 0 < len(woken) <= 2 * seconds + 2, "\n".join(lines)


def test_an_idle_guest_sleeps(guest):
    check_sleep(guest)


@tiers.newest_kernel_unless_full
def test_an_idle_guest_sleeps_without_pebs(boot, kernel):
    """Where accessed bits are all that tells what is used, too."""
    machine = boot(kernel=kernel, cpu="max")
    tiers.wait_probed(machine)
    assert machine.run(f"cat {tiers.SYSFS}/sampler/source {TIERING}/enabled").output == "access-bits\n1\n"
    check_sleep(machine)


def test_what_begins_wakes_the_driver(guest):
    """A quiet guest looks at its samples once a second; what a program that begins makes of them does not wait for it."""
    def wakes():
        return int(guest.run(f"cat {tiers.SYSFS}/sampler/wakes").output)
    guest.run("sleep 8")
    before = wakes()
    heat = Heat(guest)
    tiers.until(lambda: wakes() > before, lambda: "not woken", SLOW_HOST)
    heat.end()


def test_the_kernels_own_tiering(guest):
    """Is warned of, turned off when the driver is told to own it, also if it is turned on later, and back as it was when
    tiering is off."""
    switch = "/proc/sys/kernel/numa_balancing"
    assert "NUMA balancing moves pages too" in guest.console
    guest.run(f"echo 1 >{switch}; echo 1 >$(echo {TIERING})/own_kernel_tiering")
    assert guest.run(f"cat {switch}").output == "0\n"
    tiers.tiering(guest, False)
    assert guest.run(f"cat {switch}").output == "1\n"
    tiers.tiering(guest, True)
    assert guest.run(f"cat {switch}").output == "0\n"
    demotion = "/sys/kernel/mm/numa/demotion_enabled"
    heat = Heat(guest)  # a guest in which nothing happens is not looked at
    guest.run(f"echo 1 >{switch}; echo 1 >{demotion}")
    tiers.until(lambda: guest.run(f"cat {switch} {demotion}").output == "0\nfalse\n",
                lambda: guest.run(f"cat {switch} {demotion}").output, SLOW_HOST)
    refused = guest.run(f"echo 2 >$(echo {TIERING})/own_kernel_tiering", check=False)
    assert refused.status != 0 and "Invalid argument" in refused.output
    guest.run(f"echo 0 >$(echo {TIERING})/own_kernel_tiering")
    assert guest.run(f"cat {demotion}").output == "true\n"
    tiers.until(lambda: "reclaim demotes pages too" in guest.console, lambda: guest.console[-2000:], SLOW_HOST)
    guest.run(f"echo 0 >{demotion}")
    heat.end()
    assert guest.run(f"cat {switch}").output == "1\n"
    guest.run(f"echo 0 >{switch}")
