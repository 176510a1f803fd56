# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what is around the service: logs, descriptors, memory, the clock."""

import concurrent.futures
import json
import os
import pathlib
import time
import unicodedata

import numpy as np
import pytest
import requests
from safetensors.numpy import save

import oracle
from processes import MuteServer, descriptors, set_limit, status_bytes, wait_until
from server import Server, read_reply
from service import NPY, Service, mask_of, npy_bytes, query

RANDOM = np.random.default_rng(21)
SMALL = {"n": 2, "m": 4, "weights": [[15, 5, 12, 13], [10, 16, 9, 6], [7, 4, 1, 11], [3, 8, 2, 14]]}


def assert_serves(server, timeout=20):
    """A small mask is found, and right."""
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(server.url + "/v1/masks", json=SMALL, timeout=timeout)
    assert reply.status_code == 200, reply.content
    assert reply.json()["score"]["kept_magnitude"] == 92


# MARK: Logs

@pytest.mark.parametrize("log_format", ["text", "json"])
def test_logs_on_a_full_disk(log_format):
    with open("/dev/full", "wb") as full:
        server = MuteServer("--log-format", log_format, errors=full)
    try:
        for _ in range(20):
            assert_serves(server)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_logs_to_a_closed_pipe(log_format):
    reader, writer = os.pipe()
    server = MuteServer("--log-format", log_format, errors=writer)
    os.close(writer)
    try:
        assert_serves(server)
        os.close(reader)
        for _ in range(20):
            assert_serves(server)
    finally:
        assert server.stop() == 0


def test_logs_to_a_pipe_that_no_one_reads():
    """A pipe holds 64 KiB, a line some 250 bytes; what is lost is told when there is room again."""
    reader, writer = os.pipe()
    server = MuteServer("--log-format", "json", errors=writer)
    os.close(writer)
    try:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(600):
                assert session.get(server.url + "/healthz", timeout=20).status_code == 200
            before = os.read(reader, 1 << 20)
            assert session.get(server.url + "/healthz", timeout=20).status_code == 200
        after = b""
        while b'"lost_lines"' not in after:
            after += os.read(reader, 1 << 16)
        lines = [json.loads(line) for line in (before + after).splitlines()]
        lost = next(line["lost_lines"] for line in lines if "lost_lines" in line)
        assert lost > 0
    finally:
        assert server.stop() == 0
        os.close(reader)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_request_writes_a_line_of_its_own(log_format):
    """Neither a path nor a field of the header can break a line of the log, or colour a terminal."""
    server = Server("--log-format", log_format)
    try:
        for target, field in (
                ("/a%0Ab", "x"), ("/a%0D%0Alevel=error", "x"), ("/%1B[31m", "x"),
                ("/healthz", "a\tb"), ("/healthz", "a b=c"), ("/%E2%80%A8", "\x1b[2J")):
            with server.connect() as connection:
                connection.sendall(
                    f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {field}\r\n"
                    f"traceparent: {field}\r\nConnection: close\r\n\r\n".encode())
                read_reply(connection)
    finally:
        assert server.stop() == 0
    requests_logged = [line for line in server.log if "remote=" in line or '"remote"' in line]
    assert len(requests_logged) == 6
    hidden = [letter for line in server.log for letter in line[:-1]
              if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp")]
    # JSON has its own spelling for what would break a line.
    assert not hidden or log_format == "json" and all(ord(letter) >= 127 for letter in hidden)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_in_no_log(tmp_path, log_format):
    """At the most talkative level: tokens, right or wrong, queries and numbers of bodies."""
    (tmp_path / "tokens").write_text("token-4711\n")
    server = Server("--token-file", str(tmp_path / "tokens"), "--log-format", log_format,
                    "--log-level", "trace")
    try:
        for token in ("token-4711", "token-4712"):
            for body in (b'{"weights":[[86.753094,1]],"n":1,"m":2}', b'{"weights":[[86.753094,'):
                reply = requests.post(
                    server.url + "/v1/masks?structure=row&remainder=query-4713", body, timeout=20,
                    headers={"Authorization": f"Bearer {token}", "X-Other": "field-4714"})
                assert reply.status_code in (400, 401, 422)
    finally:
        assert server.stop() == 0
    text = "".join(server.log)
    assert text.count("/v1/masks") >= 4
    for secret in ("4711", "4712", "4713", "4714", "86.753094"):
        assert secret not in text


# MARK: Descriptors

def ask_for_health(connection):
    """Whether the client on a connection is answered, and not closed."""
    try:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return read_reply(connection)[0] == 200
    except (EOFError, ConnectionError):
        return False


def test_few_descriptors_from_the_start():
    """The connections are as many as the limit of open files has room for; more are closed."""
    server = Server(before=("prlimit", "--nofile=128:128"))
    try:
        connections = [server.connect() for _ in range(200)]
        served = sum(ask_for_health(connection) for connection in connections)
        assert served == 64
        before = server.cpu_seconds
        time.sleep(1)
        assert server.cpu_seconds - before < 0.2
        for connection in connections:
            connection.close()
        wait_until(lambda: descriptors(server) < 20)
        assert_serves(server)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("open_connections", [0, 3])
def test_out_of_descriptors(open_connections):
    """Where none is left to accept a client with, clients wait, and the service does too."""
    server = Server()
    try:
        assert_serves(server)
        kept = [server.connect() for _ in range(open_connections)]
        assert all(ask_for_health(connection) for connection in kept)
        wait_until(lambda: settled(lambda: descriptors(server)))
        set_limit(server.process, nofile=descriptors(server))
        waiting = [server.connect(timeout=20) for _ in range(10)]
        before = server.cpu_seconds
        time.sleep(2)
        assert server.cpu_seconds - before < 0.1
        # Who is connected is served on.
        assert all(ask_for_health(connection) for connection in kept)
        set_limit(server.process, nofile=1024)
        assert all(ask_for_health(connection) for connection in waiting)
        for connection in kept + waiting:
            connection.close()
        assert_serves(server)
    finally:
        assert server.stop() == 0


def test_more_idle_clients_than_select_could_watch():
    """1,200 connections that say nothing, and one more that is answered at once."""
    server = Server("--header-timeout", "60")
    try:
        idle = [server.connect() for _ in range(1200)]
        assert_serves(server)
        assert all(ask_for_health(connection) for connection in idle)
        assert descriptors(server) > 1200
        for connection in idle:
            connection.close()
        wait_until(lambda: descriptors(server) < 50)
    finally:
        assert server.stop() == 0


def settled(figure):
    before = figure()
    time.sleep(0.3)
    return figure() == before


# MARK: Memory

LARGE = RANDOM.standard_normal((2048, 4096)).astype("<f4")
COLUMNS = npy_bytes(np.asfortranarray(LARGE))
SWAPPED = npy_bytes(np.asfortranarray(LARGE.astype(">f4")))
# Targets, bodies and the Accept field, each of some ten to some hundred megabytes at work.
LARGE_REQUESTS = [
    ("/v1/masks?n=2&m=4", npy_bytes(LARGE), None),
    ("/v1/masks?n=2&m=4&mask_encoding=array", npy_bytes(LARGE), None),
    ("/v1/masks?n=2&m=4&apply=true", npy_bytes(LARGE), "application/json"),
    ("/v1/masks?n=2&m=4", COLUMNS, NPY),
    ("/v1/masks?n=2&m=4", SWAPPED, NPY),
    ("/v1/masks", b'{"n":2,"m":4,"weights":[' + b",".join(
        [b"[" + b",".join([b"1"] * 4096) + b"]"] * 1024) + b"]}", None),
    ("/v1/masks?n=2&m=4", save({"weights": LARGE, "scores": np.abs(LARGE)}), None),
    ("/v1/masks/validate?n=2&m=4&constraint=at_most", npy_bytes(LARGE), None),
    ("/v1/gradients?n=2&m=4&seed=1", npy_bytes(LARGE), NPY),
    ("/v1/gradients?n=2&m=4&seed=1", npy_bytes(LARGE), "application/json"),
    ("/v1/models/masks?n=2&m=4", save({"a": LARGE, "b": LARGE}), None),
    ("/v1/compress?n=1&m=2", npy_bytes(np.where(np.arange(4096) % 2 < 1, LARGE, 0)), None),
    ("/v2/models/transposable_mask/infer?n=2&m=4&rows=2048&columns=4096&dtype=F32",
     LARGE.tobytes(), None),
    ("/v2/models/unbiased_gradient/infer?n=2&m=4&rows=2048&columns=4096&dtype=F32",
     LARGE.tobytes(), None),
]


def post_large(server, index):
    """Posts a large request; returns its status, after looking at what was answered."""
    target, body, accept = LARGE_REQUESTS[index]
    headers = {"Accept": accept, "Content-Type": None}
    if "/infer" in target:
        headers["Inference-Header-Content-Length"] = "0"
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(server.url + target, body, headers=headers, timeout=120)
    assert reply.status_code in (200, 413, 503), (target, reply.content[:500])
    if reply.status_code != 200:
        assert "memory" in reply.json()["detail"]
    elif index == 0:
        oracle.assert_valid(mask_of(reply.json()), 2, 4)
    return reply.status_code


@pytest.mark.parametrize("resource", ["as", "data"])
@pytest.mark.parametrize("room", [48, 96, 200, 400, 800])
def test_little_memory_from_the_start(resource, room):
    """The budget of requests is derived from the limit; each is answered or refused."""
    probe = Server()
    base = status_bytes(probe.process, "VmSize" if resource == "as" else "VmData")
    assert probe.stop() == 0
    server = Server(before=("prlimit", f"--{resource}={base + (room << 20)}"))
    try:
        statuses = [post_large(server, index) for index in range(len(LARGE_REQUESTS))]
        assert_serves(server)
        if room == 48:
            assert set(statuses) >= {413}
    finally:
        assert server.is_alive and server.stop() == 0


@pytest.mark.parametrize("room", [64, 256, 640])
def test_memory_that_runs_out_later(room):
    """The limit is lowered while the service runs, and eight clients come at once."""
    server = Server()
    try:
        assert_serves(server)
        limit = status_bytes(server.process, "VmSize") + (room << 20)
        set_limit(server.process, **{"as": limit})
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(
                lambda index: post_large(server, index), list(range(len(LARGE_REQUESTS))) * 2))
        assert 503 in statuses
        assert server.is_alive
        set_limit(server.process, **{"as": "unlimited"})
        assert_serves(server)
        assert post_large(server, 3) == 200
    finally:
        assert server.is_alive and server.stop() == 0


def test_headers_that_claim_much_take_nothing(server):
    """Sixteen clients announce 2 GiB each and send none of it."""
    before = server.resident_bytes
    connections = []
    for path in ("/v1/masks", "/v1/masks/validate", "/v1/gradients") * 5:
        target = path + query({"n": 1, "m": 1, "rows": 2**20, "columns": 2**10, "dtype": "I8"})
        connection = server.connect()
        connection.sendall(
            f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**30}\r\n\r\n".encode()
            + bytes(4096))
        connections.append(connection)
    time.sleep(0.5)
    assert server.resident_bytes - before < 64 << 20
    for connection in connections:
        connection.close()


# MARK: The clock

LIBRARY = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def faketime_server(setting, *arguments):
    """A server whose wall clock is off by what a file says."""
    assert LIBRARY, "libfaketime is missing; Scripts/prepare test installs it"
    # By way of env, because the library moves the environment of the program that it is first
    # loaded into, beside which Swift looks for the arguments.
    return Server(*arguments, before=("env",), environment={
        "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})


@pytest.mark.parametrize("jump", ["+10d", "-10d", "+20y"])
def test_the_wall_clock_jumps(description, tmp_path, jump):
    """Deadlines, idle connections and times of requests hang on no clock that can be set."""
    setting = tmp_path / "time"
    setting.write_text("+0")
    server = faketime_server(
        setting, "--idle-timeout", "60", "--header-timeout", "60", "--body-timeout", "60")
    try:
        service = Service(server, description)
        date = service.get("/healthz").fields["date"]
        body = json.dumps(SMALL).encode()
        with server.connect() as under_way, server.connect() as idle:
            under_way.sendall(
                b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body[:10])
            assert ask_for_health(idle)
            setting.write_text(jump)
            time.sleep(1.5)  # Deadlines are looked at about once a second.
            # The library notices; if it did not, this would be no test.
            assert service.get("/healthz").fields["date"][:16] != date[:16]
            under_way.sendall(body[10:])
            assert read_reply(under_way)[0] == 200
            assert ask_for_health(idle)
        timing = service.json("/v1/masks", SMALL).fields["server-timing"]
        assert all(0 <= float(part.split("dur=")[1]) < 20_000 for part in timing.split(","))
        metrics = service.get("/metrics").body.decode()
        sums = [float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                if line.startswith("http_server_request_duration_seconds_sum")]
        assert all(0 <= value < 60 for value in sums)
    finally:
        assert server.stop() == 0


def test_the_clock_is_behind(tmp_path):
    """A body deadline comes although the wall clock is set back all the time."""
    setting = tmp_path / "time"
    setting.write_text("+0")
    server = faketime_server(setting, "--body-timeout", "1")
    try:
        with server.connect(timeout=20) as connection:
            connection.sendall(b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            setting.write_text("-10d")
            assert read_reply(connection)[0] == 408
    finally:
        assert server.stop() == 0
