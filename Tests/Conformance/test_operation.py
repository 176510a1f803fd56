# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the service: who may use it, how much, and for how long."""

import json
import subprocess
import time

import numpy as np
import pytest

from processes import wait_until
from server import Server, binary, parse_head, read_all, read_reply
from service import Service, expect_problem

BODY = json.dumps({"n": 1, "m": 2, "weights": [[1, 2], [3, 4]]}).encode()


def test_tokens(description, tmp_path):
    (tmp_path / "tokens").write_text("# of the tests\nsecret-1\nsecret-2\n")
    server = Server("--token-file", str(tmp_path / "tokens"))
    try:
        service = Service(server, description)
        for path, method, _ in list(description.operations()):
            body = BODY if method == "post" else None
            open_to_all = path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
            for field in (None, "Bearer secret-3", "Basic secret-1", "Bearer", "Bearer secret-"):
                reply = service.send(method.upper(), path, body, {"Authorization": field})
                assert reply.status == (200 if open_to_all else 401), path
            for field in ("Bearer secret-1", "bearer secret-2"):
                headers = {"Authorization": field}
                assert service.send(method.upper(), path, body, headers).status != 401
        assert service.get("/nothing").status == 404
    finally:
        assert server.stop() == 0


def test_deadlines(description):
    """A body that does not come is answered with 408, on every path; a header ends in time."""
    server = Server("--header-timeout", "1", "--body-timeout", "1")
    try:
        open_connections = []
        for path, method, _ in list(description.operations()):
            connection = server.connect(timeout=10)
            connection.sendall(
                f"{method.upper()} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab".encode())
            open_connections.append((path, method, connection))
        idle = server.connect(timeout=10)
        idle.sendall(b"POST /v1/masks HT")
        for path, method, connection in open_connections:
            head, body = read_all(connection).split(b"\r\n\r\n", 1)
            status, fields = parse_head(head)
            assert status in (408, 422), (path, status)
            if status == 408:
                description.check(method.upper(), path, "", None, status, fields, body)
            connection.close()
        # Without a whole request line there is nothing to answer.
        assert read_all(idle)[:13] in (b"", b"HTTP/1.1 408 ")
        idle.close()
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("framing", ["Content-Length: 9", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("expectation", ["", "Expect: 100-continue\r\n"])
def test_a_body_that_never_begins(framing, expectation):
    """Its time is counted from the header on, not from its first byte."""
    server = Server("--body-timeout", "1")
    try:
        with server.connect(timeout=10) as connection:
            connection.sendall(
                f"POST /v1/masks HTTP/1.1\r\nHost: x\r\n{framing}\r\n{expectation}\r\n".encode())
            answer = read_all(connection)
            assert b"HTTP/1.1 408 " in answer and ((b" 100 " in answer) == bool(expectation))
    finally:
        assert server.stop() == 0


def test_busy(description):
    """More requests than may be at work are told to come back."""
    server = Server("--max-requests", "1")
    try:
        service = Service(server, description)
        with server.connect() as held:
            held.sendall(b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            deadline = time.monotonic() + 10
            while b"\nnmmask_admitted_requests 1\n" not in service.get("/metrics").body:
                assert time.monotonic() < deadline
            for path, method, operation in description.operations():
                if method == "post" and "503" in operation["responses"]:
                    assert service.send("POST", path, BODY).status == 503, path
            assert service.get("/healthz").status == 200
        deadline = time.monotonic() + 10
        while service.send("POST", "/v1/masks", BODY).status == 503:
            assert time.monotonic() < deadline
    finally:
        assert server.stop() == 0


def test_memory_is_limited(description):
    server = Server("--max-memory", "1MiB")
    try:
        service = Service(server, description)
        target = "/v1/masks?n=2&m=4&rows=4096&columns=4096&dtype=I8"
        with server.connect() as connection:
            connection.sendall(
                f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {4096 * 4096}\r\n"
                "Expect: 100-continue\r\n\r\n".encode())
            status, fields, body = read_reply(connection)
        assert status == 413, body
        assert service.get("/healthz").status == 200
    finally:
        assert server.stop() == 0


def test_numbers_of_json_are_counted(description):
    """They may take eight times their text, which is set aside before they come."""
    server = Server("--max-memory", "24MiB")
    try:
        service = Service(server, description)
        row = "[" + ",".join(["0"] * 1024) + "]"
        for rows, status in ((256, 200), (2048, 413), (256, 200)):
            text = ('{"n":2,"m":4,"mask_encoding":"bits","weights":['
                    + ",".join([row] * rows) + "]}")
            reply = service.json("/v1/masks", text)
            assert reply.status == status, reply.body
    finally:
        assert server.stop() == 0


def test_time_limit(service):
    """A solve that is too slow for its time is refused before it, or cut."""
    matrix = np.random.default_rng(2).standard_normal((512, 512))
    slow = service.npy("/v1/masks", matrix, n=8, m=16, method="min_cost_flow", timeout_ms=20)
    expect_problem(slow, 422, "/method", "min_cost_flow")
    # Quick by the estimate, which holds for magnitudes without ties, and cut.
    reply = service.npy(
        "/v1/masks", np.ones((2048, 2048), "i1"), n=2, m=4, method="greedy", timeout_ms=1)
    expect_problem(reply, 504)
    assert service.npy("/v1/masks", matrix, n=8, m=16, timeout_ms=60_000).status == 200


@pytest.mark.parametrize("readiness", ["/readyz", "/v2/health/ready"])
def test_stopping_is_graceful(description, readiness):
    """A request under way is finished; the readiness says no meanwhile, where it can be asked."""
    server = Server("--timeout", "20")
    service = Service(server, description)
    assert service.get(readiness).status == 200  # This connection stays open.
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        time.sleep(0.2)
        server.process.terminate()
        time.sleep(0.3)
        reply = service.get(readiness)
        assert reply.status == 503 and reply.fields["retry-after"] == "1"
        # New clients are not left waiting.
        wait_until(lambda: is_refused(server), seconds=5)
        connection.sendall(BODY)
        assert read_reply(connection)[0] == 200
    assert server.stop() == 0


def is_refused(server):
    try:
        server.connect(timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_origins(description):
    """Pages of the origins that were named may call the service, others may not."""
    server = Server("--cors-origin", "https://example.org")
    try:
        service = Service(server, description)
        for origin in ("https://example.org", "https://example.com", None):
            for method in ("POST", "OPTIONS"):
                reply = service.send(method, "/v1/masks", BODY, {"Origin": origin})
                allowed = reply.fields.get("access-control-allow-origin")
                assert allowed == (origin if origin == "https://example.org" else None)
                assert reply.fields["vary"] == "Origin"
    finally:
        assert server.stop() == 0


def test_environment_and_flags(description):
    """A value that a setting cannot take ends the start, with a word about it."""
    for arguments, word in ((["--port", "x"], "port"), (["--max-body", "5 parsecs"], "max-body"),
                            (["--threads", "0"], "threads"), (["--host", "0.0.0.0"], "token")):
        run = subprocess.run(
            [binary(), "serve", *arguments], capture_output=True, text=True, timeout=10)
        assert run.returncode != 0 and word in run.stderr, run.stderr
    run = subprocess.run([binary(), "serve"], capture_output=True, text=True, timeout=10,
                         env={"NMMASK_PORT": "http"})
    assert run.returncode != 0 and "NMMASK_PORT" in run.stderr
    version = subprocess.run([binary(), "--version"], capture_output=True, text=True, timeout=10)
    assert version.stdout.strip() == description.document["info"]["version"]
