# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixed traffic for a long time, every reply looked at, memory and descriptors watched.

    make soak                      # 30 minutes; SOAK_SECONDS=60 for a trial
"""

import argparse
import collections
import http.client
import json
import multiprocessing
import os
import pathlib
import platform
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Conformance"))

from processes import descriptors  # noqa: E402
from server import Server, binary  # noqa: E402
from kinds import KINDS  # noqa: E402
from report import verdict, write_report  # noqa: E402

CLIENTS = 64
# Fewer than there are clients, so that some are always told to come back.
MAXIMUM_REQUESTS = 48
PREPARED = 24


class Client(threading.Thread):
    """One client: takes prepared calls at random, and looks at each reply."""

    def __init__(self, port, calls, seed, results):
        super().__init__(daemon=True)
        self._port, self._calls, self._results = port, calls, results
        self._chance = np.random.default_rng(seed)
        self._connection = None

    def run(self):
        while not self._results.ended.is_set():
            kind, call = self._calls.choose(self._chance)
            try:
                self._send(kind, call)
            except Exception:
                self._results.fault(kind, call, traceback.format_exc(limit=3))
                self._close()
        self._close()

    def _close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def _open(self):
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            self._connection.connect()
        return self._connection

    def _send(self, kind, call):
        if call.leaves_after is not None:
            return self._leave(kind, call)
        start = time.monotonic()
        for attempt in range(2):
            connection = self._open()
            try:
                self._request(connection, call)
                reply = connection.getresponse()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A connection that was kept may have been closed; a new one may not.
                self._close()
                if attempt:
                    raise
        body = reply.read()
        latency = time.monotonic() - start - call.pace
        fields = {name.lower(): value for name, value in reply.getheaders()}
        if reply.status == 503:
            assert fields["retry-after"] == "1" and json.loads(body)["status"] == 503
            self._results.count(kind + " (503)", latency)
            time.sleep(0.05)
        else:
            # What equals a reply that was looked at in full is as right; so the clients keep up.
            seen = reply.status, body, fields.get("mask-summary")
            if call.right != seen:
                call.check(reply.status, fields, body)
                call.right = seen
            self._results.count(kind, latency)
        if fields.get("connection", "").lower() == "close":
            self._close()

    def _request(self, connection, call):
        if not call.pace:
            connection.request(call.method, call.target, call.body, call.headers)
            return
        connection.putrequest(call.method, call.target, skip_accept_encoding=True)
        for name, value in (call.headers | {"Content-Length": str(len(call.body))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        step = len(call.body) // 20 + 1
        for start in range(0, len(call.body), step):
            time.sleep(call.pace / 20)
            connection.send(call.body[start:start + step])

    def _leave(self, kind, call):
        """Sends part of a request on a connection of its own, and resets it."""
        part = call.body[:int(len(call.body) * call.leaves_after)]
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                connection.sendall(
                    f"{call.method} {call.target} HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Length: {len(call.body)}\r\n\r\n".encode() + part)
                time.sleep(float(self._chance.uniform(0, 0.05)))
            except OSError:
                pass
        self._results.count(kind, 0)


class Calls:
    """Calls that were prepared, so that making them does not hold up their sending."""

    def __init__(self, seed):
        chance = np.random.default_rng(seed)
        self._calls = {kind: [kind(chance) for _ in range(PREPARED)] for kind in KINDS}
        weights = np.array(list(KINDS.values()), float)
        self._kinds, self._weights = list(KINDS), weights / weights.sum()

    def choose(self, chance):
        kind = self._kinds[chance.choice(len(self._kinds), p=self._weights)]
        return kind.__name__, self._calls[kind][chance.integers(PREPARED)]


class Results:
    """What the clients of one process have seen."""

    def __init__(self):
        self.latencies = collections.defaultdict(list)
        self.faults = []
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def count(self, kind, latency):
        with self._lock:
            self.latencies[kind].append(latency)

    def fault(self, kind, call, text):
        with self._lock:
            self.faults.append(f"{kind} {call.target}\n{text}")
            if len(self.faults) >= 20:
                self.ended.set()


def run_clients(port, count, seconds, seed, pipe):
    """The work of one client process."""
    results = Results()
    calls = Calls(seed)
    pipe.send("ready")
    clients = [Client(port, calls, (seed, index), results) for index in range(count)]
    for client in clients:
        client.start()
    results.ended.wait(seconds)
    results.ended.set()
    for client in clients:
        client.join(timeout=150)
    stuck = sum(client.is_alive() for client in clients)
    pipe.send((dict(results.latencies), results.faults, stuck))


def watch(server, processes, samples, seconds):
    """Samples memory and descriptors once a second until the clients are done."""
    start = time.monotonic()
    while time.monotonic() - start < seconds and all(p.is_alive() for p in processes):
        samples.append((time.monotonic() - start, server.resident_bytes, descriptors(server)))
        time.sleep(1)


def settled(server, base):
    """Whether, with the clients gone, nothing is left of them, within 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        text = connection.getresponse().read().decode()
        connection.close()
        if (descriptors(server) <= base + 4 and "\nnmmask_admitted_requests 0\n" in text
                and "\nnmmask_reserved_bytes 0\n" in text and "\nnmmask_queue_depth 0\n" in text):
            assert "\nnmmask_certificate_failures_total 0\n" in text
            return True
        time.sleep(0.2)
    return False


def machine():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line]
    version = subprocess.run(
        [binary(), "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
    return {"processor": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores",
            "kernel": platform.release(), "nmmask": version,
            "Python": platform.python_version(), "load before": f"{os.getloadavg()[0]:.1f}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("SOAK_SECONDS", 1800)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED", 1)))
    parser.add_argument("--report", help="where the result is written as a page")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:.0f} s", flush=True)
    facts = machine()
    arguments = ["--max-requests", str(MAXIMUM_REQUESTS)]
    server = Server(*arguments)
    base = descriptors(server)
    # A core is left to the service.
    count = max(1, min(8, (os.cpu_count() or 2) - 1))
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], []
    for index in range(count):
        here, there = context.Pipe()
        clients = CLIENTS // count + (index < CLIENTS % count)
        processes.append(context.Process(target=run_clients, args=(
            server.port, clients, options.seconds, options.seed * 1000 + index, there)))
        pipes.append(here)
        processes[-1].start()
    for pipe in pipes:
        assert pipe.recv() == "ready"
    samples, latencies, faults, stuck = [], collections.defaultdict(list), [], 0
    watch(server, processes, samples, options.seconds)
    for pipe, process in zip(pipes, processes):
        found, wrong, hung = pipe.recv()
        for kind, values in found.items():
            latencies[kind] += values
        faults += wrong
        stuck += hung
        process.join(timeout=60)
    alive = server.is_alive
    findings = verdict(samples)
    findings["the process lives"] = alive, "yes" if alive else "it ended"
    findings["replies as they should be"] = not faults, f"{len(faults)} are not"
    findings["no client waits for ever"] = not stuck, f"{stuck} do"
    if alive:
        is_settled = settled(server, base)
        findings["nothing is left of the clients"] = is_settled, "within 20 s"
        cpu = server.cpu_seconds
        findings["ends with status 0"] = server.stop() == 0, f"{cpu:.0f} s of processor time"
    facts["settings"] = (
        f"{CLIENTS} clients in {count} process{'es' if count > 1 else ''}, `{' '.join(arguments)}`, "
        f"{options.seconds:.0f} s, seed {options.seed}")
    text = write_report(facts, findings, latencies, samples)
    print(text)
    for fault in faults[:5]:
        print(fault)
    if options.report:
        pathlib.Path(options.report).write_text(text)
    sys.exit(0 if all(passed for passed, _ in findings.values()) else 1)


if __name__ == "__main__":
    main()
