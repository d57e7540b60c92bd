#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that is none: a QMP monitor on a unix socket with a virtio-tiermem device behind it, whose guest does what
a test wants.

    with FakeMachine(path, size=MIB * 1024, quota=MIB * 512) as machine:
        ...                      # tiermemctl talks to it
        machine.tiers[0]["requested"]

As a program it serves until it is ended: something for SIGSTOP and SIGKILL.
"""

import argparse
import json
import os
import socket
import threading
import time

MIB = 1 << 20
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10}, "package": ""}, "capabilities": ["oob"]}}


class Refused(Exception):
    """What QEMU answers with an error."""


def tier(number, name, size, quota):
    return {"tier": number, "name": name, "node": number, "size": size, "requested": quota, "actual": quota,
            "resident": quota, "block-size": 4096}


class FakeMachine:
    """Serves one client at a time, as QEMU does. Attributes may be changed by the test at any time.

    `obeys`: whether the guest follows its quotas; `step`: bytes that it gets on at each query (None: all at once).
    `wire`: raw bytes to send instead of serving. `before`: functions by command, called first, may raise Refused, or
    return "close" or "silence". `log`: commands so far."""

    def __init__(self, path, size=1024 * MIB, quota=512 * MIB, slow=2048 * MIB):
        self.path = str(path)
        self.tiers = [tier(0, "fast", size, quota), tier(1, "slow", slow, slow)]
        self.qos = {"class": "burstable", "weight": 100, "fast-min": 0, "migration-bandwidth": 0, "cpu-budget": 50,
                    "shrink-deadline-ms": 0}
        self.stats = []
        self.age = None
        self.doubts = []
        self.status = "running"
        self.migration = {}
        self.driver_ready = True
        self.obeys, self.step = True, None
        self.wire, self.pretty, self.before, self.log = None, False, {}, []
        self.changed = lambda: None  # called whenever the guest has done something
        self._lock = threading.RLock()
        self._clients = []
        self._listener = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._listener.bind(self.path)
        self._listener.listen(16)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def stop(self, unlink=True):
        """As if the process had ended; the socket's file may stay behind, as it does after SIGKILL."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if unlink and os.path.exists(self.path):
            os.unlink(self.path)

    def curve(self, *points):
        """Sets a hotness curve: pairs of bytes and accesses per second."""
        self.age = 0
        self.stats = [{"name": name, "index": index, "value": point[which]}
                      for index, point in enumerate(points) for which, name in enumerate(("curve-bytes", "curve-rate"))]

    def emit(self, name, **data):
        """Sends an event to the client that is connected."""
        now = time.time()
        event = {"event": name, "data": {key.replace("_", "-"): value for key, value in data.items()},
                 "timestamp": {"seconds": int(now), "microseconds": 0}}
        for client in list(self._clients):
            try:
                self._send(client, event)
            except OSError:
                pass

    def has_client(self):
        return bool(self._clients)

    # serving

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._clients.append(client)
            try:
                self._serve(client)
            except (OSError, ValueError):
                pass
            self._clients.remove(client)
            client.close()

    def _serve(self, client):
        if self.wire is not None:
            client.sendall(self.wire)
            while client.recv(4096):
                pass
            return
        self._send(client, GREETING)
        for line in client.makefile("rb"):
            answer = self._answer(json.loads(line))
            if answer == "close":
                return
            if answer != "silence":
                self._send(client, answer)

    def _send(self, client, message):
        text = json.dumps(message, indent=4 if self.pretty else None)
        client.sendall(text.encode() + b"\r\n")

    def _answer(self, message):
        command, arguments = message["execute"], message.get("arguments", {})
        answer = {"id": message["id"]} if "id" in message else {}
        with self._lock:
            self.log.append((command, arguments))
            try:
                special = self.before.get(command, lambda _: None)(arguments)
                if special in ("close", "silence"):
                    return special
                result = special if isinstance(special, (dict, list, str)) else self._execute(command, arguments)
                return {**answer, "return": result}
            except Refused as why:
                return {**answer, "error": {"class": "GenericError", "desc": str(why)}}

    def _execute(self, command, arguments):
        name = "do_" + command.replace("-", "_")
        if not hasattr(self, name):
            raise Refused(f"The command {command} has not been found")
        return getattr(self, name)(**{key.replace("-", "_"): value for key, value in arguments.items()})

    # commands

    def do_qmp_capabilities(self, enable=()):
        return {}

    def do_query_status(self):
        return {"status": self.status, "running": self.status == "running"}

    def do_query_migrate(self):
        return self.migration

    def do_query_tiermem(self):
        self.live()
        stats = {"doubts": self.doubts, "values": self.stats, **({} if self.age is None else {"age-ms": self.age})}
        return [{"id": "tm0", "driver-ready": self.driver_ready, "discard-possible": True, "tiers": self.tiers,
                 "qos": self.qos, "stats": stats}]

    def do_tiermem_set_quota(self, id, tiers, deadline_ms=0):
        for quota in tiers:
            found = self.tiers[quota["tier"]]
            if quota["size"] > found["size"] or quota["size"] % found["block-size"]:
                raise Refused("quota out of range")
        for quota in tiers:
            self.tiers[quota["tier"]]["requested"] = quota["size"]
        return {}

    def do_tiermem_set_qos(self, id, **values):
        self.qos.update({name.replace("_", "-"): value for name, value in values.items()})
        return {}

    # the guest

    def live(self):
        """What the guest does between two looks at it."""
        if not self.obeys or not self.driver_ready or self.status != "running":
            return
        for state in self.tiers:
            way = state["requested"] - state["actual"]
            most = abs(way) if self.step is None else min(abs(way), self.step)
            state["actual"] += most if way > 0 else -most
            state["resident"] = state["actual"]
        self.changed()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the fast tier")
    parser.add_argument("--quota", type=int, default=512, help="MiB")
    arguments = parser.parse_args()
    machine = FakeMachine(arguments.socket, arguments.size * MIB, arguments.quota * MIB)
    machine.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
