# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measurements of the service share: servers, clients and figures."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("NMMASK_BINARY", str(ROOT / ".build/release/nmmask"))


@contextlib.contextmanager
def nmmask(*options):
    """A running service; yields its port and its process."""
    process = subprocess.Popen(
        [BINARY, "serve", "--port", str(port := free_port()), *options],
        stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextlib.contextmanager
def peer(port, module="peer:app", workers=1):
    """A running FastAPI service of `peer.py`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", module, "--port", str(port), "--workers", str(workers),
         "--log-level", "error"],
        cwd=pathlib.Path(__file__).parent)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request_head(path, length, **headers):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_response(connection):
    """Status, header text and body of the next response on a socket."""
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("closed before a response")
        data += chunk
    head = data[:end].decode()
    match = re.search(r"(?i)content-length: (\d+)", head)
    length = int(match[1]) if match else 0
    body = bytearray(length)
    received = len(data) - end - 4
    body[:received] = data[end + 4:]
    with memoryview(body) as view:
        while received < length:
            count = connection.recv_into(view[received:])
            if not count:
                raise ConnectionError("closed in a response")
            received += count
    return int(head.split()[1]), head, body


def post(port, path, body, **headers):
    """One request on a connection of its own; also the time from the last byte to the reply."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        connection.sendall(request_head(path, len(body), **headers))
        connection.sendall(body)
        sent = time.perf_counter()
        status, head, reply = read_response(connection)
        end = time.perf_counter()
    return status, head, reply, end - start, end - sent


def resident_bytes(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    return statistics.median(values)


def report(name, value, wanted, holds):
    print(f"{'holds ' if holds else 'MISSED'}  {name}: {value}  (wanted: {wanted})", flush=True)
    return holds
