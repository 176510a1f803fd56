# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that lie about lengths, or go away."""

import socket
import struct
import time

import numpy as np
import pytest

from server import parse_head, read_all, read_reply
from service import expect_problem

RANDOM = np.random.default_rng(12)


# MARK: Lies about lengths

def test_one_clients_numbers_never_reach_another(service, server):
    """One client lies about its size while another asks; each gets what it gets alone."""
    honest = RANDOM.standard_normal((64, 64))
    alone = service.npy("/v1/masks", honest, n=2, m=4).body
    target = "/v1/masks?n=2&m=4&rows=64&columns=64&dtype=F64"
    liar = np.full((64, 64), 1e9)
    for cut in (1, 8, 512, 4096):
        with server.connect(timeout=10) as connection:
            body = liar.tobytes()[:-cut]
            connection.sendall(
                f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {liar.nbytes}\r\n\r\n".encode()
                + body)
            assert service.npy("/v1/masks", honest, n=2, m=4).body == alone
        assert service.npy("/v1/masks", honest, n=2, m=4).body == alone


@pytest.mark.parametrize("shape, count", [((1, 4), 6), ((2, 4), 5), ((4, 4), 15), ((4, 4), 17)])
def test_shape_and_size_must_agree(service, shape, count):
    target = f"/v1/masks?n=2&m=4&rows={shape[0]}&columns={shape[1]}&dtype=F32&structure=row"
    reply = service.send("POST", target, bytes(4 * count))
    expect_problem(reply, 400, "/weights", 4 * shape[0] * shape[1], 4 * count)


def test_content_length_above_the_body(server):
    """The service waits without spinning, and ends when the client does."""
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\r\n" + b" " * 30)
        before = server.cpu_seconds
        time.sleep(1)
        assert server.cpu_seconds - before < 0.5


@pytest.mark.parametrize("head, body, status", [
    (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"{}   ", 400),
    (b"Content-Length: 5\r\nContent-Length: 5\r\n", b"{}   ", 400),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", 501),
    (b"Content-Length: -1\r\n", b"{}", 400), (b"Content-Length: 2x\r\n", b"{}", 400),
    (b"Transfer-Encoding: chunked\r\n", b"x\r\n{}\r\n0\r\n\r\n", 400)])
def test_framing_that_two_readers_could_read_in_two_ways(server, head, body, status):
    with server.connect() as connection:
        connection.sendall(b"POST /v1/masks HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + body)
        reply = read_all(connection)
        found, fields = parse_head(reply.split(b"\r\n\r\n")[0])
        assert found == status, reply
        assert fields["connection"].lower() == "close"
        assert reply.count(b"HTTP/1.1 ") == 1


def test_bytes_behind_the_body_are_the_next_request(server):
    body = b'{"n":1,"m":2,"weights":[[1,2],[3,4]]}'
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body + b"junk junk\r\n\r\n")
        reply = read_all(connection)
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert reply.count(b"HTTP/1.1 ") == 2 and b"HTTP/1.1 400 " in reply


@pytest.mark.parametrize("trailer", [b"", b"X-Sum: 1\r\n"])
def test_trailers(server, trailer):
    body = b'{"n":1,"m":2,"weights":[[1,2],[3,4]]}'
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"%x;name=value\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer))
        assert read_reply(connection)[0] == 200


# MARK: Clients that go

def leave(server, target, body, how):
    """Sends a request, waits until it is being solved, and goes."""
    connection = server.connect()
    connection.sendall(
        f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body)
    time.sleep(0.3)
    if how == "half-closed":
        connection.shutdown(socket.SHUT_WR)
    elif how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    else:
        connection.close()
    return connection


@pytest.mark.parametrize("how", ["closed", "half-closed", "reset"])
def test_work_stops_when_the_client_has_gone(server, service, how):
    """GLPK would work for seconds on each; what it has begun it finishes."""
    rows = 1920
    body = RANDOM.integers(-99, 100, rows * 640).astype("i1").tobytes()
    target = f"/v1/masks?n=16&m=32&method=min_cost_flow&rows={rows}&columns=640&dtype=I8"
    before = server.cpu_seconds
    assert service.send("POST", target, body).status == 200
    alone = server.cpu_seconds - before
    before = server.cpu_seconds
    connections = [leave(server, target, body, how) for _ in range(6)]
    deadline = time.monotonic() + 60
    while True:
        used = server.cpu_seconds
        time.sleep(0.5)
        if server.cpu_seconds - used < 0.1:
            break
        assert time.monotonic() < deadline, "The work goes on although all clients have gone."
    assert server.cpu_seconds - before < 3 * alone, "as if nobody had gone"
    for connection in connections:
        connection.close()
    assert service.mask(np.ones((4, 4)), 2, 4).status == 200
