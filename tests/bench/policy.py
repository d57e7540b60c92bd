# SPDX-License-Identifier: GPL-2.0-or-later
"""The policy core: fast share beside an oracle and published designs, reaction, moves, and instructions per sample and epoch.

All in the simulator tools/tiersim on its model clock (docs/policy.md); instructions are counted by callgrind.
"""

import json
import re
import subprocess

from tiermem_bench import Row
from tiermem_build import log, paths

BUILD = paths.TOP / "build"
WORKLOADS = ["gups", "moving", "zipf", "scan", "btree", "graph", "growing", "four"]
PEERS = ["demeter", "histogram", "damon", "scanner"]
# Where a hot set is well defined: promotions over the hot pages that were slow.
PLACED = ["gups", "moving", "scan", "growing"]


def build():
    """tiersim and policy-cost, in the build folder of everything that is ours."""
    if not (BUILD / "build.ninja").exists():
        log.run(["meson", "setup", BUILD, paths.TOP], paths.LOGS / "meson-setup.log",
                "meson setup", cwd=paths.TOP)
    log.run(["ninja", "-C", BUILD, "tools/tiersim/tiersim", "tools/tiersim/policy-cost"],
            paths.LOGS / "bench-compile.log", "building tiersim")


def simulate(workloads, tierers):
    """{(workload, tierer): result} as tiersim's JSON has it."""
    done = subprocess.run([BUILD / "tools/tiersim/tiersim", "--workload", ",".join(workloads), "--tierer",
                           ",".join(tierers), "--json", "-"], check=True, stdout=subprocess.PIPE)
    return {(run["workload"], run["tierer"]): run for run in json.loads(done.stdout)}


def share(run):
    """Fast share as a share of the oracle's."""
    return run["end_fast"] / run["end_oracle"]


def quality_rows(runs):
    for workload in WORKLOADS:
        ours = runs[workload, "core"]
        yield Row(f"{workload}: fast share at the end over the oracle's", round(share(ours), 4), "ratio", "oracle",
                  round(ours["end_oracle"], 4), ">= 0.97")
        if workload == "moving":
            yield Row("moving: the same from 5 s after the move on", round(ours["settled_fast"] / ours["settled_oracle"], 4),
                      "ratio", "oracle", round(ours["settled_oracle"], 4), ">= 0.97")


def peer_rows(runs):
    """Ours divided by each peer's: the share is to be as good, the moves fewer. Shares are compared to a thousandth."""
    for workload in WORKLOADS:
        ours = runs[workload, "core"]
        for peer in PEERS:
            theirs = runs[workload, peer]
            yield Row(f"{workload}: fast share over {peer}'s", round(ours["end_fast"] / theirs["end_fast"], 4), "ratio", peer,
                      round(theirs["end_fast"], 4), ">= 0.999")
            yield Row(f"{workload}: promotions over {peer}'s", round(ours["promotions"] / max(1, theirs["promotions"]), 4),
                      "ratio", peer, theirs["promotions"], "< 1")
            yield Row(f"{workload}: accesses done over {peer}'s", round(ours["accesses"] / theirs["accesses"], 4), "ratio",
                      peer, round(theirs["accesses"]))


def reaction_rows():
    runs = simulate(["ignite", "spot"], ["core"])
    for workload, what, limit in (("ignite", "64 MiB begin to be hot", 3), ("spot", "2 MiB in 64 TiB begin to be hot", 12)):
        epochs = runs[workload, "core"]["reaction_epochs"]
        yield Row(f"{what}: epochs until 90 % are above the cut", None if epochs < 0 else epochs, "epochs", None, None,
                  f"<= {limit}")


def move_rows(runs):
    for workload in PLACED:
        ours = runs[workload, "core"]
        yield Row(f"{workload}: promotions over the hot pages that were slow",
                  round(ours["promotions"] / ours["needed_pages"], 3), "ratio", None, None, "<= 1.3")
    for workload in ("gups", "moving", "zipf", "btree"):
        ours = runs[workload, "core"]
        yield Row(f"{workload}: promotions a second at the end over the hot pages",
                  round(ours["late_promotions"] / 10 / ours["needed_pages"], 5), "ratio", None, None, "<= 0.01")


def instructions(function, *arguments):
    """(instructions spent in function and below, ranges, samples, epochs) of one policy-cost run."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--toggle-collect={function}",
                           BUILD / "tools/tiersim/policy-cost", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    collected = int(re.search(r"Collected : (\d+)", done.stderr).group(1))
    counts = {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", done.stdout)}
    return collected, counts


def cost_rows():
    for kind in ("region", "scattered", "space"):
        spent, counts = instructions("tm_policy_samples", "samples", kind)
        yield Row(f"cost of a sample, {kind}", round(spent / counts["samples"], 1), "instructions", None, None, "<= 100")
    per_range = {}
    for ranges, bits in ((1000, 34), (1000, 46), (10000, 46)):
        spent, counts = instructions("tm_policy_epoch", "ranges", str(ranges), str(bits))
        per_range[ranges, bits] = spent / counts["epochs"] / counts["ranges"]
        yield Row(f"epoch over {counts['ranges']} ranges in 2^{bits} bytes, for 1,000 of them",
                  round(per_range[ranges, bits] * 1000), "instructions", None, None, "<= 200000")
    yield Row("epoch, per range: 10,000 ranges over 1,000", round(per_range[10000, 46] / per_range[1000, 46], 3), "ratio",
              None, None, "<= 1.2")
    yield Row("epoch, per range: 64 TiB over 16 GiB", round(per_range[1000, 46] / per_range[1000, 34], 3), "ratio",
              None, None, "<= 1.2")
    spent, counts = instructions("tm_policy_epoch", "details", "256")
    yield Row("epoch, per 2 MiB range counted page by page", round(spent / counts["epochs"] / counts["details"]),
              "instructions")


def rows():
    """All rows."""
    build()
    log.step("simulating")
    runs = simulate(WORKLOADS, ["core", *PEERS])
    yield from quality_rows(runs)
    yield from reaction_rows()
    yield from move_rows(runs)
    log.step("counting instructions")
    yield from cost_rows()
    yield from peer_rows(runs)


if __name__ == "__main__":
    from tiermem_bench import report
    print("\n".join(report.table(list(rows()))))
