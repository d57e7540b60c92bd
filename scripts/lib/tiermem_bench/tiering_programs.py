# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs as workloads of the tiering bench: Debian's packages as they are, fed from a shell script.

They run in the mini image, where nothing reaches the guest from outside, with the libraries that they are linked with.
Memory goes where the kernel's first touch puts it. Their heat is not known page by page, so there is no ideal
placement to compare with: what stands for it is a machine whose fast node holds everything.
"""

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tiermem_build import cache, suites

RELEASE = "bookworm"  # as the host's: libraries that no package below has are the host's
ROW = 1000  # bytes of a value in redis and sqlite
POWER = 4  # of a number from 0 to 1 makes the rank of a key: a tenth of them gets 56 % of the requests
SCATTER = 7919  # a prime: ranks times this, modulo the number of keys, lie anywhere
FEATURES, PER_EXAMPLE, COPIES = 20_000, 40, 8
BYTES_PER_FEATURE = 25  # 16 in liblinear's memory, 9 in the file
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

# A program that answers a line with a line; ROUND requests are one operation each. `ask` ends the run without an answer.
ASKING = """mkfifo /tmp/in /tmp/out
ask() {{
    echo "$1" >&3
    read -r said <&4 || said="nothing"
    case $said in *[!0-9]*|"") echo "tiering: status 1: '$said' instead of a number"; exit 1;; esac
}}
now() {{ read -r up _ </proc/uptime; echo "${{up%.*}}${{up#*.}}"; }}
{program} </tmp/in >/tmp/out &
exec 3>/tmp/in 4</tmp/out
{load}
tierload-mark start {watch}
end=$(($(now) + {centiseconds}))
next=$(now) done=0 round={seed}000
while time=$(now); [ "$time" -lt $end ]; do
    round=$((round + 1))
    ask "{request}"
    done=$((done + {batch}))
    [ "$time" -lt $next ] || {{ tierload-mark progress --operations $done; next=$((next + 100)); }}
done
tierload-mark end --operations $done {watch}
"""

REDIS = """redis-server --port 0 --unixsocket /tmp/redis --save '' --dir /tmp --enable-debug-command yes --disable-thp no >/tmp/redis.log &
until redis-cli -s /tmp/redis ping >/dev/null 2>&1; do sleep 0.1; done
redis-cli -s /tmp/redis debug populate {keys} key {row}
script=$(redis-cli -s /tmp/redis script load "
math.randomseed(tonumber(ARGV[1]))
local bytes = 0
for _ = 1, {batch} do
    local rank = math.floor({keys} * math.random() ^ {power})
    bytes = bytes + #redis.call('get', 'key:' .. rank * {scatter} % {keys})
end
return bytes")
"""

SQLITE_LOAD = """ask "CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n \
WHERE i < {keys} - 1) INSERT INTO t SELECT i, printf('%0{row}d', i) FROM n; SELECT count(*) FROM t;"
"""
# A linear congruential generator (Knuth, as in many C libraries) makes the random numbers.
SQLITE_ASK = ("WITH RECURSIVE r(i, x) AS (SELECT 1, $round UNION ALL SELECT i + 1, (x * 1103515245 + 12345) % 2147483648 "
              "FROM r WHERE i < {batch}), u(f) AS (SELECT x / 2147483648.0 FROM r) "
              "SELECT sum(unicode(substr((SELECT v FROM t WHERE k = CAST({keys} * {rank} AS INTEGER) * {scatter} % {keys}), {row}))) "
              "FROM u;")

LIBLINEAR = """for _ in $(seq {copies}); do cat /examples; done >/tmp/train
rm /examples
tierload-mark start {watch}
liblinear-train -s 3 -e 0.01 /tmp/train /tmp/model >/tmp/words || {{ echo "tiering: status $?: liblinear-train"; exit 1; }}
passes=$(sed -n 's/.*#iter = //p' /tmp/words)
tierload-mark end --operations $((passes * {examples})) {watch}
"""


@dataclass(frozen=True)
class Program:
    """`packages` are Debian's, `commands` the files in them that run; `operation` is what one is."""
    what: str
    operation: str
    packages: tuple
    commands: tuple
    script: object  # (cell, words for tierload-mark) -> shell text


def _redis(cell, watch):
    keys, batch = cell.size // (ROW + 120), 10_000
    numbers = {"keys": keys, "row": ROW, "batch": batch, "power": POWER, "scatter": SCATTER}
    return ASKING.format(program="redis-cli -s /tmp/redis", load="", watch=watch, centiseconds=_centiseconds(cell), seed=cell.seed,
                         batch=batch, request="evalsha $script 0 $round").replace("mkfifo", REDIS.format(**numbers) + "mkfifo", 1)


def _sqlite(cell, watch):
    keys, batch = cell.size // (ROW + 60), 10_000
    numbers = {"keys": keys, "row": ROW, "batch": batch, "scatter": SCATTER, "rank": " * ".join(["f"] * POWER)}
    return ASKING.format(program="sqlite3 :memory:", load=SQLITE_LOAD.format(**numbers), watch=watch,
                         centiseconds=_centiseconds(cell), seed=cell.seed, batch=batch, request=SQLITE_ASK.format(**numbers))


def _liblinear(cell, watch):
    return LIBLINEAR.format(copies=COPIES, examples=COPIES * examples_in_block(cell.size), watch=watch)


def _centiseconds(cell):
    return round(cell.seconds * 100)


PROGRAMS = {
    "redis": Program("reads values of 1000 bytes, by a power law, keys anywhere", "GET from a script in the server",
                     ("redis-server", "redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1", "libatomic1"),
                     ("redis-server", "redis-cli"), _redis),
    "liblinear": Program("trains a linear classifier, to its end", "example visited",
                         ("liblinear-tools", "liblinear4", "libblas3"), ("liblinear-train",), _liblinear),
    "sqlite": Program("looks up rows of 1000 bytes in a table in memory, by a power law", "lookup",
                      ("sqlite3", "libsqlite3-0", "libreadline8"), ("sqlite3",), _sqlite),
}


def examples_in_block(size):
    """Training examples in a file that is read COPIES times, so that all takes `size` bytes."""
    return size // BYTES_PER_FEATURE // PER_EXAMPLE // COPIES


def files(cell):
    """[(host file, path in the guest)] of what a cell's program needs."""
    program = PROGRAMS[cell.workload]
    versions = [suites.Suite(RELEASE).show(name)["Version"] for name in program.packages]
    tree = cache.entry("bench-programs", cache.key(program.packages, versions),
                       lambda folder: suites.Suite(RELEASE).unpack(program.packages, folder))
    found = {}
    for command in program.commands:
        found.update(_linked(tree, tree / "usr/bin" / command))
    if cell.workload == "liblinear":
        found["/examples"] = _examples(cell)
    return [(file, path) for path, file in sorted(found.items())]


def _linked(tree, command):
    """{path in the guest: host file} of a command, its libraries and its loader."""
    folders = [tree / LIBRARIES.lstrip("/"), tree / "lib/x86_64-linux-gnu", tree / LIBRARIES.lstrip("/") / "blas"]
    text = subprocess.run(["ldd", command], check=True, text=True, stdout=subprocess.PIPE,
                          env={"LD_LIBRARY_PATH": ":".join(map(str, folders))}).stdout
    if missing := re.findall(r"(\S+) => not found", text):
        raise FileNotFoundError(f"{command.name} needs {', '.join(missing)}, which is in none of its packages")
    libraries = {f"{LIBRARIES}/{name}": Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", text)}
    loader = re.search(r"^\s*(/\S+) \(0x", text, re.M)[1]
    return {f"/usr/bin/{command.name}": command.resolve(), loader: Path(loader).resolve(), **libraries}


def _examples(cell):
    """A file in liblinear's format: binary features, labels by a hidden plane and noise."""
    made = cache.entry("bench-examples", cache.key(cell.size, cell.seed, FEATURES, PER_EXAMPLE, COPIES),
                       lambda folder: _write_examples(folder / "examples", examples_in_block(cell.size), cell.seed))
    return made / "examples"


def _write_examples(file, count, seed):
    numbers = random.Random(seed)
    plane = [numbers.gauss(0, 1) for _ in range(FEATURES)]
    with open(file, "w") as output:
        for _ in range(count):
            chosen = sorted(numbers.sample(range(FEATURES), PER_EXAMPLE))
            label = sum(plane[i] for i in chosen) + numbers.gauss(0, 2) > 0
            output.write(f"{'+1' if label else '-1'} {' '.join(f'{i + 1}:1' for i in chosen)}\n")


def completed(events):
    """tierload-mark's lines as tierload would have written them: with intervals and a total."""
    known = {event["event"]: event for event in events}
    if "start" not in known or "end" not in known:
        return events
    marks = [known["start"], *[event for event in events if event["event"] == "progress"], known["end"]]
    intervals = [{"event": "interval", "tsc": after["tsc"], "interval_ns": after["tsc"] - before["tsc"],
                  "interval_operations": after["operations"] - before["operations"]}
                 for before, after in zip(marks, marks[1:])]
    operations, time = known["end"]["operations"], known["end"]["tsc"] - known["start"]["tsc"]
    total = {"event": "total", "operations": operations, "operations_per_second": operations * 1e9 / time, "checksum": None}
    return [*events, *intervals, total]
