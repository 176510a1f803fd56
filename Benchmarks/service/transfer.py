# SPDX-License-Identifier: GPL-3.0-or-later
"""Large bodies: time against a program that only reads the same bytes, memory, JSON against FastAPI."""

import json
import socket
import threading
import time

import numpy as np

from common import free_port, median, nmmask, peer, post, report, resident_bytes

MIB = 1 << 20
# Rounds that are not counted, until servers have the memory that they keep.
WARM_UP = 10


def sink(listener, total):
    connection, _ = listener.accept()
    buffer = bytearray(MIB)
    received = 0
    with connection:
        while received < total:
            count = connection.recv_into(buffer)
            if count == 0:
                break
            received += count
        connection.sendall(b"done")


def read_only(body):
    """The time to send `body` to a program that reads it and answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=sink, args=(listener, len(body)))
        thread.start()
        with socket.create_connection(listener.getsockname()) as connection:
            start = time.perf_counter()
            connection.sendall(body)
            connection.recv(4)
            duration = time.perf_counter() - start
        thread.join()
    return duration


def binary_bodies():
    rng = np.random.default_rng(1)
    body = rng.standard_normal((8192, 8192), dtype=np.float32).tobytes()
    with nmmask() as (port, _):
        for n, m, limit in [(2, 4, 1.5), (4, 8, 2.5)]:
            ratios, tails = [], []
            for _ in range(15):
                plain = read_only(body)
                status, _, reply, total, tail = post(
                    port, f"/v1/masks?n={n}&m={m}&rows=8192&columns=8192&dtype=F32", body,
                    Accept="application/octet-stream")
                assert status == 200 and len(reply) == 8192 * 8192 // 8
                ratios.append(total / plain)
                tails.append(tail * 1000)
            report(f"256 MiB {n}:{m}, against reading only", f"{median(ratios):.2f} x",
                   f"<= {limit} x", median(ratios) <= limit)
            report(f"256 MiB {n}:{m}, last byte to reply", f"{median(tails):.1f} ms", "< 20 ms",
                   median(tails) < 20)


def memory():
    row = np.random.default_rng(2).standard_normal((1024, 16384), dtype=np.float32).tobytes()
    with nmmask() as (port, process), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /v1/masks?n=2&m=4&rows=16384&columns=16384&dtype=F32 HTTP/1.1\r\n"
            b"Host: localhost\r\nAccept: application/octet-stream\r\n"
            + f"Content-Length: {16 * len(row)}\r\n\r\n".encode())
        for _ in range(16):
            connection.sendall(row)
        while connection.recv(MIB, socket.MSG_WAITALL):
            peak = resident_bytes(process.pid, "VmHWM")
            if peak:
                break
        report("1 GiB upload, peak resident memory", f"{peak / MIB:.0f} MiB", "< 128 MiB",
               peak < 128 * MIB)


def json_bodies():
    weights = np.random.default_rng(3).standard_normal((1024, 1024), dtype=np.float32)
    text = json.dumps(
        {"n": 2, "m": 4, "mask_encoding": "bits",
         "weights": [[float(f"{x:.8g}") for x in row] for row in weights.tolist()]},
        separators=(",", ":")).encode()
    other = free_port()
    with nmmask() as (port, _), peer(other):
        ours, theirs, theirs_orjson = [], [], []
        calls = [(port, "/v1/masks", ours), (other, "/parse", theirs),
                 (other, "/parse-orjson", theirs_orjson)]
        for round in range(WARM_UP + 15):
            for address, path, times in calls:
                # Right after an answer of pydantic's, whoever came next took a third longer.
                time.sleep(0.2)
                status, _, _, total, _ = post(
                    address, path, text, Content_Type="application/json")
                assert status == 200
                if round >= WARM_UP:
                    times.append(total)
    rate = len(text) / median(ours) / 1e6
    report(f"JSON of {len(text) / 1e6:.1f} MB", f"{rate:.0f} MB/s", ">= 400 MB/s", rate >= 400)
    # In turns, as everywhere here.
    ratio = median([their / our for their, our in zip(theirs, ours)])
    report("JSON, FastAPI that only parses it takes", f"{ratio:.1f} x", ">= 15 x", ratio >= 15)
    ratio = median([their / our for their, our in zip(theirs_orjson, ours)])
    print(f"       with orjson in the place of pydantic: {ratio:.1f} x")


if __name__ == "__main__":
    binary_bodies()
    memory()
    json_bodies()
