# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods, paths, limits and faults of HTTP itself."""

import gzip
import json
import select
import time
import zlib

import pytest

from description import METHODS, Description
from server import read_reply
from service import expect_problem, npy_bytes

OPERATIONS = [(path, method) for path, method, _ in Description().operations()]
POSTS = [path for path, method in OPERATIONS if method == "post"]
BODY = json.dumps({"n": 1, "m": 2, "weights": [[1, 2], [3, 4]]}).encode()


# MARK: Paths and methods

@pytest.mark.parametrize("path", [
    "/nothing", "/v1", "/v1/", "/v1/masks/", "/V1/masks", "/v1/masks/validate/x", "//v1/masks",
    "/v1/../v1/masks", "/v1/./masks", "/v1%2Fmasks", "/healthz/", "/.git/config", "/v1/masks;a=b",
    "/%C3%A4", "/%ff", "/%00", "/%zz", "*"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_are_not_there(server, path, method):
    """Word for word, which no polite client would send."""
    with server.connect() as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        status, fields, body = read_reply(connection)
    unreadable = path in ("/%ff", "/%00", "/%zz")
    assert status == (400 if unreadable else 404), body
    assert fields["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_every_other_method(service, description):
    for path, _, _ in list(description.operations()):
        for method in METHODS - {"options", "head", "trace"}:
            if method not in description.document["paths"][description.template(path)]:
                problem = expect_problem(service.send(method.upper(), path), 405)
                assert path in problem["detail"]


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "BREW", "post", "Get"])
def test_strange_methods(server, method):
    with server.connect() as connection:
        connection.sendall(f"{method} /v1/masks HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, fields, body = read_reply(connection)
        assert status == 405 and "POST" in fields["allow"]
        assert json.loads(body)["status"] == 405


def test_head_and_options(service, description):
    for path, method, _ in list(description.operations()):
        allow = service.send("OPTIONS", path).fields["allow"]
        assert method.upper() in allow and "OPTIONS" in allow
        if method == "get" and path not in ("/v1/diversity", "/metrics"):
            head, get = service.send("HEAD", path), service.get(path)
            assert head.status == get.status == 200 and head.body == b""
            assert head.fields["content-length"] == str(len(get.body))


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/openapi.yaml", "/metrics"])
def test_queries_where_there_are_no_parameters(service, path):
    expect_problem(service.get(f"{path}?a=1"), 400, "/a")


def test_metrics_count(service):
    def count():
        text = service.get("/metrics").body.decode()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if line.startswith("http_server_request_duration_seconds_count")
            and 'route="/healthz"' in line)

    before = count()
    for _ in range(3):
        service.get("/healthz")
    assert count() - before == 3


# MARK: Limits

@pytest.mark.parametrize("size", [4097, 100_000])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("content_type", ["application/json", None])
def test_json_above_the_limit(small_service, size, chunked, content_type):
    body = BODY + b" " * (size - len(BODY))
    reply = small_service.send(
        "POST", "/v1/masks", iter([body]) if chunked else body, {"Content-Type": content_type})
    expect_problem(reply, 413, None, "limit")


def test_bodies_at_the_limit(small_service):
    body = BODY + b" " * (4096 - len(BODY))
    assert small_service.send("POST", "/v1/masks", body).status == 200
    target = "/v1/masks?n=2&m=4&rows=256&columns=256&dtype=I8"
    assert small_service.send("POST", target, bytes(65536)).status == 200


@pytest.mark.parametrize("path, query", [
    ("/v1/masks", "n=1&m=1"), ("/v1/masks/validate", "n=1&m=1"), ("/v1/gradients", "n=1&m=1")])
@pytest.mark.parametrize("chunked", [False, True])
def test_binary_above_the_limit(small_service, path, query, chunked):
    body = bytes(70_000)
    target = f"{path}?{query}&rows=70&columns=1000&dtype=I8"
    expect_problem(small_service.send("POST", target, iter([body]) if chunked else body), 413)


@pytest.mark.parametrize("expects", [False, True])
def test_announced_length_above_the_limit_is_refused_unread(small_server, expects):
    """Not a byte of the body is sent; with Expect, none is asked for either."""
    with small_server.connect(timeout=5) as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
            + (b"Expect: 100-continue\r\n" if expects else b"") + b"\r\n")
        status, _, body = read_reply(connection)
        assert status == 413 and json.loads(body)["status"] == 413
        assert small_server.cpu_seconds < 30


@pytest.mark.parametrize("target, field", [
    ("/v1/masks?unknown=1", "X: y"), ("/v1/masks", "Accept: image/png")])
def test_the_limit_comes_before_types_and_names(small_server, target, field):
    with small_server.connect(timeout=5) as connection:
        connection.sendall(
            f"POST {target} HTTP/1.1\r\nHost: x\r\n{field}\r\nContent-Length: 10000000\r\n\r\n"
            .encode())
        assert read_reply(connection)[0] == 413


def test_expect_continue_within_the_limit(server):
    with server.connect(timeout=5) as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(BODY))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert read_reply(connection)[0] == 200


def test_endless_chunked_body_is_cut(small_server):
    """It is answered at the limit; what still comes is dropped for a while, then reset."""
    before = small_server.resident_bytes
    with small_server.connect(timeout=20) as connection:
        connection.sendall(
            b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"1000\r\n" + b" " * 4096 + b"\r\n"
        deadline = time.monotonic() + 15
        answer = b""
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                connection.sendall(piece)
                time.sleep(0.001)
                if not answer and select.select([connection], [], [], 0)[0]:
                    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert small_server.resident_bytes - before < 32 << 20


@pytest.mark.parametrize("path, method", OPERATIONS)
@pytest.mark.parametrize("field, status", [
    ("X-Filler: " + "a" * 33_000, 431), ("Expect: 200-ok", 417), ("Transfer-Encoding: gzip", 501),
    ("Content-Length: 99999999999999999999", 413), ("Content-Length: x", 400)])
def test_faults_of_the_header(server, description, path, method, field, status):
    method = method.upper()
    with server.connect() as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n".encode())
        found, fields, body = read_reply(connection)
    assert found == status, body
    assert json.loads(body)["status"] == status
    description.check(method, path, "", None, found, fields, body)


# MARK: Compression

@pytest.mark.parametrize("encoding, body", [("gzip", gzip.compress(BODY)), ("identity", BODY)])
def test_content_encoding(service, encoding, body):
    reply = service.send("POST", "/v1/masks", body, {"Content-Encoding": encoding})
    assert reply.status == 200 and reply.json["kept"] == 2


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/v2/repository/index"])
@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "compress"])
def test_other_content_encodings(service, path, encoding):
    expect_problem(service.send("POST", path, BODY, {"Content-Encoding": encoding}), 415)


@pytest.mark.parametrize("body", [
    gzip.compress(BODY)[:-9], zlib.compress(BODY), BODY, gzip.compress(BODY) + b"x", b"\x1f\x8b"])
def test_broken_gzip(service, body):
    expect_problem(service.send("POST", "/v1/masks", body, {"Content-Encoding": "gzip"}), 400)


def test_gzip_that_expands_beyond_the_limit(small_service, small_server):
    before = small_server.resident_bytes
    body = gzip.compress(BODY + b" " * (64 << 20), 9)
    assert len(body) < 70_000
    expect_problem(small_service.send("POST", "/v1/masks", body, {"Content-Encoding": "gzip"}), 413)
    assert small_server.resident_bytes - before < 32 << 20


def test_npy_body_of_a_megabyte_by_curl_expectation(service, layer):
    """As curl sends it: with an expectation."""
    headers = {"Expect": "100-continue"}
    reply = service.send("POST", "/v1/masks?n=2&m=4", npy_bytes(layer), headers)
    assert reply.status == 200
