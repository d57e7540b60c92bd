# SPDX-License-Identifier: GPL-2.0-or-later
"""The real program: Debian's redis-server with keys whose values are known, under redis-benchmark.

redis-benchmark runs in rounds until it is told to stop, so that its own count of finished requests can be held
against the server's at the end.
"""

import re
import time
from dataclasses import dataclass

KEYS = 80_000  # keys of known content
CHUNK = 10_000  # keys that one script writes or reads
REPEAT = 25  # times the 40 digits of a key's SHA-1 stand in its value
ROUND = 2_000  # requests of each kind in one round of redis-benchmark
CLIENTS = 8
PAYLOAD = 512  # bytes of a value that redis-benchmark writes
BENCHMARK_KEYS = 50_000
FOLDER = "/run/tiermem-load"
PATIENCE = 120  # seconds for what takes one or two on an idle host

# A key's value follows from its name: nothing needs to be remembered to check it.
VALUE = f"local function value(key) return string.rep(redis.sha1hex(key), {REPEAT}) end "
WRITE = VALUE + "for i = ARGV[1], ARGV[2] do redis.call('SET', 'known:' .. i, value('known:' .. i)) end return 0"
READ = VALUE + """local missing, wrong = 0, 0
for i = ARGV[1], ARGV[2] do
    local found = redis.call('GET', 'known:' .. i)
    if not found then missing = missing + 1 elseif found ~= value('known:' .. i) then wrong = wrong + 1 end
end
return missing .. ' ' .. wrong"""
# It ends at the first error, with a status other than 0.
LOAD = f"""rm -rf {FOLDER}; mkdir -p {FOLDER}; cd {FOLDER}
( until [ -e stop ]; do
    redis-benchmark -t set,get -n {ROUND} -c {CLIENTS} -d {PAYLOAD} -r {BENCHMARK_KEYS} >>output 2>&1
    echo "round ended with $?" >>output
done; echo >done ) >/dev/null 2>&1 </dev/null &"""


@dataclass(frozen=True)
class Account:
    """What became of the requests."""
    rounds: int
    failed_rounds: int
    finished: int  # requests whose answers redis-benchmark has got
    served: int  # SET and GET commands of clients that the server has carried out
    refused: int  # commands that the server rejected or failed
    errors: list[str]  # what redis-benchmark said of errors


class Redis:
    """The server in a machine's guest. The counts start when the load does."""

    def __init__(self, machine):
        self.machine = machine

    def start(self):
        """Starts the server by its unit and keeps it from writing snapshots."""
        # Two processes that share their memory would hide who uses how much.
        self.machine.run("systemctl start redis-server && redis-cli config set save '' && redis-cli config set "
                         "lua-time-limit 0", timeout=PATIENCE)

    def version(self):
        """Such as 7.0.15."""
        return re.search(r"redis_version:(\S+)", self.machine.run("redis-cli info server").output).group(1)

    def used(self):
        """Bytes of memory of the server, as it says."""
        return int(re.search(r"used_memory_rss:(\d+)", self.machine.run("redis-cli info memory").output).group(1))

    def write(self, progress):
        """Writes the known keys; calls progress(keys so far)."""
        for last in self._chunks(WRITE):
            progress(last)

    def check(self, progress):
        """(missing, wrong) of the known keys."""
        missing = wrong = 0
        for last, answer in self._chunks(READ, answers=True):
            missing, wrong = missing + answer[0], wrong + answer[1]
            progress(last)
        return missing, wrong

    def _chunks(self, script, answers=False):
        for first in range(1, KEYS + 1, CHUNK):
            last = min(first + CHUNK - 1, KEYS)
            text = self.machine.run(f'redis-cli eval "{script}" 0 {first} {last}', timeout=PATIENCE).output.strip()
            numbers = [int(number) for number in re.findall(r"\d+", text)]
            if len(numbers) != (2 if answers else 1):
                raise ValueError(f"redis answered '{text}'")
            yield (last, numbers) if answers else last

    def start_load(self):
        """Starts redis-benchmark in the background."""
        self.machine.run(f"redis-cli config resetstat; {LOAD}")

    def served(self):
        """SET and GET commands since the load began."""
        return sum(self._command_counts("calls"))

    def _command_counts(self, what):
        """Counts of SET and GET."""
        text = self.machine.run("redis-cli info commandstats").output
        return [int(number) for number in re.findall(rf"cmdstat_(?:set|get):.*?\b{what}=(\d+)", text)]

    def end_load(self):
        """Lets the round that runs end; the Account."""
        self.machine.run(f"touch {FOLDER}/stop")
        deadline = time.monotonic() + PATIENCE
        while self.machine.run(f"test -e {FOLDER}/done", check=False).status != 0:
            if time.monotonic() > deadline:
                raise ValueError(f"redis-benchmark did not end within {PATIENCE} s")
            time.sleep(0.3)
        return self._account(self.machine.run(f"cat {FOLDER}/output").output)

    def _account(self, output):
        statuses = [int(status) for status in re.findall(r"round ended with (\d+)", output)]
        return Account(rounds=len(statuses), failed_rounds=sum(status != 0 for status in statuses),
                       finished=sum(int(number) for number in re.findall(r"(\d+) requests completed", output)),
                       served=self.served(),
                       refused=sum(self._command_counts("rejected_calls") + self._command_counts("failed_calls")),
                       errors=re.findall(r"^.*\berror\b.*$", output, re.M | re.I))
