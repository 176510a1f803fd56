# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients: rates of small requests, latency beside heavy ones, crowds, vanishers, sluggards."""

import pathlib
import random
import re
import socket
import subprocess
import tempfile
import threading
import time

import numpy as np

from common import (
    descriptors, free_port, median, nmmask, peer, post, quantile, read_response, report,
    request_head, resident_bytes)

MIB = 1 << 20
SMALL = np.random.default_rng(4).standard_normal((64, 64), dtype=np.float32).tobytes()
SMALL_PATH = "/v1/masks?n=2&m=4&rows=64&columns=64&dtype=F32"


def wrk(port, path, seconds=2):
    with tempfile.TemporaryDirectory() as folder:
        body = pathlib.Path(folder, "body")
        body.write_bytes(SMALL)
        script = pathlib.Path(folder, "post.lua")
        script.write_text(
            f'local f = io.open("{body}", "rb")\nwrk.method = "POST"\nwrk.body = f:read("*a")\n'
            'wrk.headers["Accept"] = "application/octet-stream"\n')
        output = subprocess.run(
            ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", script,
             f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()
    return rate, float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def small_requests():
    rates, tails, ratios = [], [], {}
    for workers in [1, 2]:
        other, ratios[workers] = free_port(), []
        # Neither writes a line for each request.
        with nmmask("--log-level", "warning") as (port, _), peer(other, workers=workers):
            wrk(port, SMALL_PATH, 1)
            # In turns: a shared machine is not equally fast from one minute to the next.
            for _ in range(5):
                rate, tail = wrk(port, SMALL_PATH)
                theirs, _ = wrk(other, "/masks?rows=64&columns=64")
                rates.append(rate)
                tails.append(tail)
                ratios[workers].append(rate / theirs)
    rate, tail = median(rates), median(tails)
    one, two = median(ratios[1]), median(ratios[2])
    report("64 x 64, 32 clients", f"{rate:.0f}/s", ">= 20,000/s", rate >= 20_000)
    report("64 x 64, 32 clients, p99", f"{tail:.2f} ms", "< 5 ms", tail < 5)
    report("64 x 64, against FastAPI and numpy, as uvicorn starts them", f"{one:.1f} x", ">= 10 x",
           one >= 10)
    print(f"       against two workers of it: {two:.1f} x")


def beside_heavy_requests():
    body = np.random.default_rng(5).standard_normal((8192, 8192), dtype=np.float32).tobytes()
    stop = threading.Event()

    def heavy(port):
        while not stop.is_set():
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(request_head(
                    "/v1/masks?n=4&m=8&method=min_cost_flow&rows=8192&columns=8192&dtype=F32",
                    len(body), Accept="application/octet-stream"))
                view = memoryview(body)
                connection.settimeout(1)
                while view and not stop.is_set():
                    try:
                        view = view[connection.send(view[:MIB]):]
                    except TimeoutError:
                        pass

    with nmmask() as (port, _):
        threads = [threading.Thread(target=heavy, args=(port,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        small, health = [], []
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for _ in range(300):
                start = time.perf_counter()
                connection.sendall(request_head(
                    SMALL_PATH, len(SMALL), Accept="application/octet-stream") + SMALL)
                assert read_response(connection)[0] == 200
                small.append((time.perf_counter() - start) * 1000)
                start = time.perf_counter()
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert read_response(connection)[0] == 200
                health.append((time.perf_counter() - start) * 1000)
                time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join()
    report("small request beside 4 heavy ones, p99", f"{quantile(small, 0.99):.1f} ms", "< 20 ms",
           quantile(small, 0.99) < 20)
    report("/healthz beside 4 heavy requests, p99", f"{quantile(health, 0.99):.1f} ms", "< 5 ms",
           quantile(health, 0.99) < 5)


def crowd():
    body = np.random.default_rng(6).standard_normal((512, 512), dtype=np.float32).tobytes()
    path = "/v1/masks?n=2&m=4&rows=512&columns=512&dtype=F32"
    with nmmask("--max-requests", "128") as (port, process):
        expected = post(port, path, body, Accept="application/octet-stream")[2]
        before = resident_bytes(process.pid)
        outcomes = []

        def client():
            try:
                status, head, reply, _, _ = post(
                    port, path, body, Accept="application/octet-stream")
                if status == 200:
                    outcomes.append("mask" if reply == expected else "wrong")
                else:
                    told = status == 503 and "retry-after" in head.lower()
                    outcomes.append("busy" if told else f"status {status}")
            except OSError as error:
                outcomes.append(f"error {error}")

        threads = [threading.Thread(target=client) for _ in range(1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peak = resident_bytes(process.pid, "VmHWM")
        time.sleep(1)
        after = resident_bytes(process.pid)
        counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
        report("1,000 clients with 1 MiB each", counts, "a mask or a 503 for each",
               set(outcomes) <= {"mask", "busy"} and len(outcomes) == 1000)
        report("resident memory before, peak, after",
               f"{before / MIB:.0f}, {peak / MIB:.0f}, {after / MIB:.0f} MiB",
               "returns to the level before", after < before + 48 * MIB)


def vanishers():
    body = np.random.default_rng(7).standard_normal((256, 256), dtype=np.float32).tobytes()
    message = request_head(
        "/v1/masks?n=2&m=4&rows=256&columns=256&dtype=F32", len(body)) + body
    random.seed(8)
    with nmmask() as (port, process):
        def round_of(count):
            for _ in range(count):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(message[:random.randrange(len(message))])
        expected = post(port, SMALL_PATH, SMALL, Accept="application/octet-stream")[2]
        round_of(200)
        time.sleep(1)
        before, files = resident_bytes(process.pid), descriptors(process.pid)
        wrong = 0
        for _ in range(20):
            round_of(100)
            reply = post(port, SMALL_PATH, SMALL, Accept="application/octet-stream")[2]
            wrong += reply != expected
        time.sleep(2)
        after = resident_bytes(process.pid)
        report("2,000 vanished clients: memory before and after",
               f"{before / MIB:.1f}, {after / MIB:.1f} MiB", "no leak", after < before + 16 * MIB)
        report("descriptors before and after", f"{files}, {descriptors(process.pid)}", "equal",
               descriptors(process.pid) <= files)
        report("wrong replies to others", wrong, "0", wrong == 0)


def sluggards():
    with nmmask() as (port, _):
        head = request_head(SMALL_PATH, len(SMALL))
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for index, connection in enumerate(slow):
            connection.sendall(head[:20] if index % 2 else head + SMALL[:100])
        worst = 0
        for _ in range(3):
            for connection in slow:
                try:
                    connection.send(b"x")
                except OSError:
                    pass
            for _ in range(30):
                total = post(port, SMALL_PATH, SMALL, Accept="application/octet-stream")[3]
                worst = max(worst, total)
            time.sleep(1)
        for connection in slow:
            connection.close()
    report("200 slow clients: longest wait of an honest one", f"{worst * 1000:.1f} ms", "< 1 s",
           worst < 1)


if __name__ == "__main__":
    small_requests()
    beside_heavy_requests()
    crowd()
    vanishers()
    sluggards()
