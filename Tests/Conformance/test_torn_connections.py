# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are killed, connections that are half closed, and TLS that ends anywhere."""

import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from processes import descriptors, wait_until
from server import Server, read_all, read_reply
from service import npy_bytes

RANDOM = np.random.default_rng(23)
SEED = 23
LARGE = npy_bytes(RANDOM.standard_normal((1024, 1024)).astype("<f4"))
SMALL = npy_bytes(RANDOM.integers(-9, 10, (64, 64)).astype("i1"))

CLIENT = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
body = sys.stdin.buffer.read()
client.sendall(sys.argv[2].encode() + body)
sys.stdout.write("sent")
sys.stdout.flush()
while client.recv(4096):
    pass
"""


def head(target, length):
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"


@pytest.mark.parametrize("length", [len(LARGE), 4 * len(LARGE)])
def test_killed_clients(server, service, length):
    """Processes that are killed while they send, while they wait and while they read."""
    text = head("/v1/masks?n=2&m=4&mask_encoding=array", length)
    before = descriptors(server)
    for delay in (0, 0.001, 0.01, 0.05, 0.1, 0.3) * 2:
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(server.port), text], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        client.stdin.write(LARGE)
        client.stdin.close()
        assert client.stdout.read(4) == b"sent"
        time.sleep(delay)
        client.send_signal(signal.SIGKILL)
        client.wait(timeout=10)
        client.stdout.close()
    assert service.send("POST", "/v1/masks?n=2&m=4", SMALL).status == 200
    wait_until(lambda: descriptors(server) <= before + 1)


@pytest.mark.parametrize("part", [0, 1, 20, "head", "body", "whole"])
@pytest.mark.parametrize("side", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
def test_half_closed_connections(server, service, part, side):
    """A client that will send no more is gone; one that reads no more is found out."""
    text = head("/v1/masks?n=2&m=4", len(LARGE)).encode()
    pieces = {"head": len(text), "body": len(text) + 70_000, "whole": len(text) + len(LARGE)}
    before = descriptors(server)
    with server.connect() as connection:
        connection.sendall((text + LARGE)[:pieces.get(part, part)])
        connection.shutdown(side)
        if side == socket.SHUT_WR:
            reply = read_all(connection)
            assert reply == b"" or reply.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 4")), reply[:99]
            # A reply is whole, or there is none.
            if reply.startswith(b"HTTP/1.1 200 "):
                assert part == "whole" and reply.endswith(b"}")
    wait_until(lambda: descriptors(server) <= before + 1)
    assert service.send("POST", "/v1/masks?n=2&m=4", SMALL).status == 200


# MARK: TLS

@pytest.fixture(scope="module")
def secure_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
         folder / "certificate.pem"], check=True, capture_output=True, timeout=30)
    server = Server(
        "--tls-certificate", str(folder / "certificate.pem"), "--tls-key", str(folder / "key.pem"),
        "--header-timeout", "2", "--body-timeout", "2")
    server.trust = ssl.create_default_context(cafile=folder / "certificate.pem")
    yield server
    assert server.is_alive and server.stop() == 0


def handshake(server):
    """A connection over TLS, whose messages this end can hold back: (TLS, incoming, outgoing)."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return server.trust.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1"), incoming, outgoing


def assert_serves_securely(server):
    with server.connect() as plain, server.trust.wrap_socket(
            plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(head("/v1/masks?n=2&m=4", len(SMALL)).encode() + SMALL)
        status, _, body = read_reply(connection)
    assert status == 200, body


def client_hello(server):
    """What a client says first."""
    tls, _, outgoing = handshake(server)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def session(server, request=None):
    """A connection with a finished handshake, and the records of one request on it."""
    tls, incoming, outgoing = handshake(server)
    connection = server.connect()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
    connection.sendall(outgoing.read())
    tls.write(request or head("/v1/masks?n=2&m=4", len(SMALL)).encode() + SMALL)
    return connection, outgoing.read()


def test_served_over_tls(secure_server):
    assert_serves_securely(secure_server)


@pytest.mark.parametrize("reset", [False, True])
def test_closed_in_the_handshake(secure_server, reset):
    """After each of the bytes that begin it, in steps."""
    hello = client_hello(secure_server)
    before = descriptors(secure_server)
    for length in [*range(12), *range(12, len(hello), 37), len(hello)]:
        with secure_server.connect() as connection:
            if reset:
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(hello[:length])
    assert_serves_securely(secure_server)
    wait_until(lambda: descriptors(secure_server) <= before + 1)


def test_closed_inside_a_record(secure_server):
    before = descriptors(secure_server)
    for part in (0.001, 0.1, 0.5, 0.9, 0.999):
        connection, records = session(secure_server)
        connection.sendall(records[:int(len(records) * part)])
        connection.close()
    assert_serves_securely(secure_server)
    wait_until(lambda: descriptors(secure_server) <= before + 1)


def test_stalled_handshakes_and_records_end_in_time(secure_server):
    """They do not hold a thread longer than a slow header or body may."""
    connection, records = session(secure_server)
    connection.sendall(records[:len(records) // 2])
    with secure_server.connect(timeout=20) as half, secure_server.connect(timeout=20) as silent:
        half.sendall(client_hello(secure_server)[:50])
        before = secure_server.cpu_seconds
        start = time.monotonic()
        for waiting in (connection, half, silent):
            read_all(waiting)
        assert time.monotonic() - start < 15
        assert secure_server.cpu_seconds - before < 0.5
    connection.close()
    assert_serves_securely(secure_server)


@pytest.mark.parametrize("changed", ["hello", "records"])
def test_garbled(secure_server, changed):
    """A changed byte gives an alert or nothing, never an answer."""
    chance = random.Random(SEED)
    for _ in range(30):
        if changed == "hello":
            connection, data = secure_server.connect(), bytearray(client_hello(secure_server))
        else:
            connection, data = session(secure_server)
            data = bytearray(data)
        # The header of a record has a field of its own for a length, which would be waited for.
        place = chance.randrange(5, len(data))
        data[place] ^= 1 << chance.randrange(8)
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
            if changed == "records":
                # Session tickets may have come before; an answer has the length of a mask.
                assert len(answer) < 900, place
    assert_serves_securely(secure_server)


@pytest.mark.parametrize("garbage", [
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(70_000),
    b"\x80\x2e\x01\x00\x02" + bytes(60), b"SSH-2.0-x\r\n", bytes(1000), b"\x15\x03\x03\x00\x02\x02\x28",
    head("/v1/masks?n=2&m=4", len(SMALL)).encode() + SMALL, b"\xff" * 5000,
    np.random.default_rng(SEED).bytes(20_000)])
def test_other_protocols(secure_server, garbage):
    """Plain HTTP to the port of TLS, and what is no protocol, are not answered in plain text."""
    with secure_server.connect(timeout=20) as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert b"HTTP/" not in read_all(connection)
    assert_serves_securely(secure_server)


def test_no_refusal_goes_past_tls(secure_server):
    """What is told before the rest of a long body has come is written to the socket itself."""
    body = b'{"n":]' + b" " * 99
    connection, records = session(secure_server, head("/v1/masks", 4 << 20).encode() + body)
    before = len(secure_server.log)
    with connection:
        connection.sendall(records)
        assert b"HTTP/" not in read_all(connection)
    wait_until(lambda: any("outcome=" in line for line in secure_server.log[before:]))
    lines = [line for line in secure_server.log[before:] if "outcome=" in line]
    assert all("outcome=unanswered" in line and "status=400" in line for line in lines), lines
    assert_serves_securely(secure_server)


def test_tls_to_the_port_of_plain_http(server, service, secure_server):
    with server.connect(timeout=20) as connection:
        connection.sendall(client_hello(secure_server))
        connection.shutdown(socket.SHUT_WR)
        reply = read_all(connection)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 400 "), reply[:99]
    assert service.get("/healthz").status == 200
