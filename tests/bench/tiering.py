# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiering: who serves the accesses of programs with known heat, for us and for what Linux can do by itself.

Each run is a guest on a model clock (docs/tiermeter.md) that sets a peer up and runs a workload of tools/tierload or a
program of Debian's. Runs that were finished before are taken from the cache; `docs/tiering-bench.md` says what the
columns mean.
"""

import argparse
import json
import os
import signal
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tiermem_build import log

PROG = "bench tiering"
MIB = 1 << 20
WORKLOADS = ["gups", "shift", "zipf", "scan", "btree", "graph", "heap", "processes"]  # of tierload
SIZES = {"fast": 320 * MIB, "slow": 704 * MIB, "size": 512 * MIB, "hot": 64 * MIB}
# 15 runs of about a minute of CPU each.
QUICK = {"workload": ["gups", "shift", "zipf"], "peer": ["none", "ideal", "balancing", "damon", "tiermem"], "seconds": 12.0}
QUICK_SIZES = {"fast": 224 * MIB, "slow": 320 * MIB, "size": 192 * MIB, "hot": 16 * MIB}
RESERVE = 128 * MIB  # what the guest's kernel takes of both nodes together, at most
NODE_RESERVE = 96 * MIB  # what the kernel keeps free or uses of the slow node
HOLE = 3 << 30  # guest-physical memory beyond is not contiguous
PATIENCE = 300  # host seconds; a guest's clock moves many times a second even on a busy host
HOT_REGION = ("gups", "shift", "scan", "heap", "processes")


def parser():
    """The options of this bench."""
    from tiermem_bench.tiering_peers import PEERS
    from tiermem_bench.tiering_programs import PROGRAMS
    programs = "".join(f"\n  {name:16s} {program.what} (an operation is one {program.operation})"
                       for name, program in PROGRAMS.items())
    peers = "\n".join(f"  {name:16s} {peer.what}" for name, peer in PEERS.items())
    made = argparse.ArgumentParser(prog=PROG, description=f"{__doc__}\nworkloads of tierload: {', '.join(WORKLOADS)}\nprograms:{programs}\npeers:\n{peers}",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--workload", action="append", metavar="NAME", help="this one (may be repeated); else all")
    made.add_argument("--peer", action="append", metavar="NAME",
                      help="this one (may be repeated); else all. 'ideal' is always run: it is what the others are compared with")
    made.add_argument("--thp", choices=["off", "on", "both"], default="off", help="huge pages for the program's memory")
    made.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each, with other seeds (default 1)")
    made.add_argument("--quick", action="store_true", help="a part of it, on a smaller machine, that takes about 10 minutes on idle CPUs")
    made.add_argument("--seconds", type=float, help="length of a run by the guest's clock (default 20)")
    for name, what in (("fast", "the fast node"), ("slow", "the slow node"), ("size", "the program's memory"),
                       ("hot", "the hot region")):
        made.add_argument(f"--{name}", metavar="SIZE", help=f"bytes of {what}")
    made.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="guests at a time (default: CPUs)")
    made.add_argument("--timeout", type=float, default=PATIENCE, metavar="SECONDS",
                      help=f"a guest whose clock stands still so long counts as hung (default {PATIENCE})")
    made.add_argument("--qemu", type=Path, help="instead of build/qemu's")
    made.add_argument("--again", action="store_true", help="do not use finished runs")
    made.add_argument("--finished", action="store_true", help="only show finished runs, start none")
    made.add_argument("--json", metavar="FILE", help="also as docs/bench.schema.json says; - is stdout, without the table")
    made.add_argument("--markdown", metavar="FILE", help="also the table for a document")
    made.add_argument("--plot", metavar="FILE.svg", help="also the fast share over time, a panel for each workload")
    return made


def options(words):
    """The command line, checked; ends with status 2 and the reason when something cannot be."""
    from tiermem_bench import tiering_peers
    from tiermem_vm.sizes import parse_size
    made = parser()
    chosen = made.parse_args(words)
    chosen.workload = chosen.workload or (QUICK["workload"] if chosen.quick else workloads())
    chosen.peer = chosen.peer or (QUICK["peer"] if chosen.quick else list(tiering_peers.PEERS))
    chosen.seconds = chosen.seconds or (QUICK["seconds"] if chosen.quick else 20.0)
    for name, default in (QUICK_SIZES if chosen.quick else SIZES).items():
        try:
            text = getattr(chosen, name)
            setattr(chosen, name, parse_size(text) if text else default)
        except ValueError as problem:
            made.error(f"--{name}: {problem}")
    problem = wrong(chosen) or tiering_peers.unknown(chosen.peer)
    if problem:
        made.error(problem)
    return chosen


def workloads():
    """The names of all."""
    from tiermem_bench.tiering_programs import PROGRAMS
    return [*WORKLOADS, *PROGRAMS]


def can(workload, peer):
    """Whether a peer can be set up for a workload: where a program's memory goes is the kernel's matter."""
    return workload in WORKLOADS or peer != "slow"


def wrong(chosen):
    """What cannot be, as a text that says what is allowed; None if all can."""
    unknown = [name for name in chosen.workload if name not in workloads()]
    if unknown:
        return f"workload '{unknown[0]}' is unknown; there are: {', '.join(workloads())}"
    if chosen.peer == ["slow"] and not any(can(name, "slow") for name in chosen.workload):
        return f"peer 'slow' is for the workloads of tierload only: {', '.join(WORKLOADS)}"
    for name, value, low in (("repeat", chosen.repeat, 1), ("jobs", chosen.jobs, 1), ("seconds", chosen.seconds, 3), ("timeout", chosen.timeout, 1)):
        if value < low:
            return f"--{name} {value}: at least {low} is allowed"
    return sizes_wrong(chosen)


def sizes_wrong(chosen):
    """The same for sizes."""
    for name in ("fast", "slow", "size"):
        if getattr(chosen, name) % (2 * MIB):
            return f"--{name}: a multiple of 2M is allowed"
    if chosen.fast + chosen.slow > HOLE:
        return "--fast and --slow: 3G together are allowed"
    if min(chosen.fast, chosen.slow) < 192 * MIB:
        return "--fast and --slow: at least 192M each is allowed"
    if not 4096 <= chosen.hot <= chosen.size // 4 or chosen.hot % 4096:
        return f"--hot: a multiple of 4K up to a quarter of --size ({chosen.size // 4 // MIB}M) is allowed"
    most = chosen.fast + chosen.slow - RESERVE
    if chosen.size > most:
        return f"--size: {chosen.size // MIB}M do not fit; both tiers together have room for {most // MIB}M"
    if "slow" in chosen.peer and chosen.size > chosen.slow - NODE_RESERVE:
        return (f"--size: {chosen.size // MIB}M do not fit into the slow tier, as peer 'slow' wants it; it has room for "
                f"{(chosen.slow - NODE_RESERVE) // MIB}M")
    return None


def cells(chosen):
    """All runs, those of the ideal first: others are compared with it."""
    from tiering_guest import Cell
    peers = ["ideal", *[peer for peer in chosen.peer if peer != "ideal"]]
    pages = {"off": [False], "on": [True], "both": [False, True]}[chosen.thp]
    return [Cell(workload, peer, thp, seed, chosen.seconds, chosen.fast, chosen.slow, chosen.size, chosen.hot)
            for seed in range(1, chosen.repeat + 1) for thp in pages for workload in chosen.workload for peer in peers
            if can(workload, peer)]


def run_all(chosen):
    """({cell: run}, [what went wrong])."""
    import tiering_guest
    from tiermem_bench import tiering_store
    bench = tiering_guest.Bench(chosen.qemu)
    wanted = cells(chosen)
    done = {} if chosen.again else {cell: run for cell in wanted if (run := tiering_store.load(bench.key(cell)))}
    left = [] if chosen.finished else [cell for cell in wanted if cell not in done]
    log.step(f"{len(wanted)} runs, {len(done)} of them finished before, {len(left)} to do")
    failures = []

    def one(cell):
        # Another bench may have finished it in the meantime.
        if not chosen.again and (run := tiering_store.load(bench.key(cell))):
            return run
        log.step(f"{name(cell)}: begins")
        run = bench.run(cell, chosen.timeout)
        tiering_store.save(bench.key(cell), run)
        return run
    with ThreadPoolExecutor(chosen.jobs) as pool:
        started = {pool.submit(one, cell): cell for cell in left}
        try:
            for number, future in enumerate(as_completed(started), 1):
                cell = started[future]
                try:
                    done[cell] = future.result()
                    log.step(f"{name(cell)}: {brief(done[cell])} ({number} of {len(left)})")
                except Exception as problem:  # noqa: BLE001  whatever it was, the other runs are worth having
                    failures.append(f"{name(cell)}: {type(problem).__name__}: {problem}")
                    log.step(f"{failures[-1]} ({number} of {len(left)})")
        except KeyboardInterrupt:
            failures.append("interrupted")
            bench.stopped.set()
            pool.shutdown(cancel_futures=True)
    return {cell: done[cell] for cell in wanted if cell in done}, failures


def brief(run):
    """A run in a few words."""
    return f"fast share {run['fast_share']:.3f}, {run['rate'] / 1e6:.3f} Mops"


def name(cell):
    """A run's name for people."""
    return f"{cell.title}, {cell.peer}, seed {cell.seed}"


def compared(done):
    """The runs with what the ideal's run of the same workload and seed adds to them."""
    from tiering_guest import course_of
    from tiermem_bench import tiering_figures
    ideals = {(cell.title, cell.seed): run for cell, run in done.items() if cell.peer == "ideal"}
    found = {}
    for cell, run in done.items():
        ideal = ideals.get((cell.title, cell.seed))
        share = ideal and ideal["fast_share"]
        course = course_of(run)
        first, second = tiering_figures.times_to_ideal(course, run, share)
        hot = hot_pages(cell, ideal)
        found[cell] = {**run, "to_90": first, "to_90_shift": second,
                       "of_ideal": run["fast_share"] / share if share else None,
                       "rate_of_ideal": run["rate"] / ideal["rate"] if ideal else None,
                       "kernel_late": tiering_figures.settled(course, run["begin"], run["end"]).kernel_share,
                       "moves_per_hot_page": run["pages_moved"] / hot if hot else None}
    return found


def hot_pages(cell, ideal):
    """Pages of the hot region, or, where heat is scattered, those that the ideal has in fast memory."""
    if cell.workload in HOT_REGION:
        return cell.hot // 4096
    return ideal and ideal.get("ideal_fast_bytes", 0) // 4096


def by_cell(done, peers):
    """{(workload, peer): runs} in the order of cells(), without those that nobody asked for."""
    found = {}
    for cell, run in done.items():
        if cell.peer in peers:
            found.setdefault((cell.title, cell.peer), []).append(run)
    return found


def rows(done):
    """The figures as rows of the one JSON format; shares, rates and times are compared with the ideal's."""
    from tiermem_bench import Row
    for (workload, peer), runs in done.items():
        ideal = done.get((workload, "ideal"), [])

        def middle(key, of=runs):
            values = [run[key] for run in of if run.get(key) is not None]
            return statistics.median(values) if values else None
        for what, key, unit in (("fast share", "fast_share", "share"), ("operations", "rate", "operations/s"),
                                ("mean time of a miss", "memory_ns", "ns")):
            yield Row(f"{workload}, {peer}: {what}", middle(key), unit, "ideal" if ideal else None,
                      middle(key, ideal) if ideal else None)
        for what, key, unit in (("90 % of the ideal's share after the start", "to_90", "s"),
                                ("90 % of the ideal's share after the shift", "to_90_shift", "s"),
                                ("kernel instructions", "kernel_instructions", "instructions"),
                                ("kernel's share of the time", "kernel_share", "share"),
                                ("kernel's share of the last third", "kernel_late", "share"),
                                ("pages moved", "pages_moved", "pages"),
                                ("pages moved for each hot page", "moves_per_hot_page", "pages")):
            yield Row(f"{workload}, {peer}: {what}", middle(key), unit)
        for key in ("fast_share", "rate"):
            values = [run[key] for run in runs]
            yield Row(f"{workload}, {peer}: spread of {key.replace('_', ' ')} over {len(values)} seeds",
                      (max(values) - min(values)) / statistics.median(values) if statistics.median(values) else None, "ratio")


def main(words):
    """Runs what the command line asks for; the status."""
    chosen = options(words)
    from tiermem_build import host
    host.ensure()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an interrupt, too, shows what is finished
    done, failures = run_all(chosen)
    table = by_cell(compared(done), set(chosen.peer) | {"ideal"})
    if table:
        publish(chosen, table)
    for failure in failures:
        print(f"{PROG}: {failure.splitlines()[0]}", file=sys.stderr)
    missing = len(cells(chosen)) - len(done)
    if missing:
        print(f"{PROG}: {missing} of {len(cells(chosen))} runs are missing; what is finished is kept, run the same again "
              "to go on", file=sys.stderr)
    return 1 if missing else 0


def publish(chosen, table):
    """Prints and writes what was asked for."""
    from tiermem_bench import report, tiering_picture, tiering_table
    text = json.dumps(report.as_json("tiering", list(rows(table))), indent=4)
    if chosen.json == "-":
        print(text)
    else:
        print("\n".join(tiering_table.lines(table)), flush=True)
        if chosen.json:
            Path(chosen.json).write_text(text + "\n")
    if chosen.markdown:
        Path(chosen.markdown).write_text("\n".join(tiering_table.markdown(table)) + "\n")
    if chosen.plot:
        tiering_picture.draw(table, chosen.plot)
