# SPDX-License-Identifier: GPL-3.0-or-later
"""However the same numbers arrive, the mask is the same to the bit."""

import json
import time

import numpy as np
import pytest

import oracle
from server import read_all, read_reply
from service import NPY, OCTETS, npy_bytes, unpack

RANDOM = np.random.default_rng(20)
# Small whole numbers, which every type holds.
WHOLE = RANDOM.integers(-100, 101, (16, 24))
UNSIGNED = np.abs(WHOLE)


@pytest.fixture(scope="module")
def expected(service):
    return service.mask(WHOLE, 2, 4).mask


def bfloat16(array):
    """The upper halves of float32, as bytes; the values must fit."""
    words = array.astype("<f4").view("<u4")
    assert not (words & 0xFFFF).any()
    return (words >> 16).astype("<u2").tobytes()


def raw(service, body, dtype, shape=WHOLE.shape, **parameters):
    rows, columns = shape
    target = f"/v1/masks?n=2&m=4&rows={rows}&columns={columns}&dtype={dtype}"
    return service.send("POST", target, body, **parameters)


@pytest.mark.parametrize("dtype, numpy_type", [
    ("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("BF16", None), ("I8", "i1"),
    ("I16", "<i2"), ("I32", "<i4"), ("I64", "<i8")])
def test_raw(service, expected, dtype, numpy_type):
    body = bfloat16(WHOLE) if numpy_type is None else WHOLE.astype(numpy_type).tobytes()
    reply = raw(service, body, dtype)
    assert reply.status == 200, reply.body
    assert (reply.mask == expected).all()
    oracle.assert_reply(reply.json, reply.mask, WHOLE)


def test_raw_unsigned(service):
    reply = raw(service, UNSIGNED.astype("u1").tobytes(), "U8")
    assert (reply.mask == service.mask(UNSIGNED, 2, 4).mask).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("numpy_type", [
    "<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8"])
def test_npy(service, expected, numpy_type, order):
    matrix = np.array(WHOLE, dtype=numpy_type, order=order)
    reply = service.npy("/v1/masks", matrix, n=2, m=4)
    assert reply.status == 200, reply.body
    assert (reply.mask == expected).all()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions(service, expected, version, tmp_path):
    path = tmp_path / "w.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, WHOLE.astype("<f4"), version=version)
    reply = service.send("POST", "/v1/masks?n=2&m=4", path.read_bytes())
    assert (reply.mask == expected).all()


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "I8", "I16", "I32", "I64"])
def test_json_types(service, expected, dtype):
    assert (service.mask(WHOLE, 2, 4, dtype=dtype).mask == expected).all()


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", OCTETS,
    "application/x-www-form-urlencoded", None])
def test_content_types_of_json(service, expected, content_type):
    body = json.dumps({"n": 2, "m": 4, "weights": WHOLE.tolist()}).encode()
    reply = service.send("POST", "/v1/masks", body, {"Content-Type": content_type})
    assert (reply.mask == expected).all()


@pytest.mark.parametrize("content_type", [NPY, OCTETS, "application/json", "text/plain", None])
def test_magic_bytes_come_before_the_content_type(service, expected, content_type):
    reply = service.send(
        "POST", "/v1/masks?n=2&m=4", npy_bytes(WHOLE), {"Content-Type": content_type})
    assert reply.status == 200, reply.body
    assert (reply.mask == expected).all()


def test_parameters_of_json_may_stand_in_the_query(service, expected):
    body = json.dumps({"weights": WHOLE.tolist()}).encode()
    assert (service.send("POST", "/v1/masks?n=2&m=4", body).mask == expected).all()
    mixed = json.dumps({"m": 4, "weights": WHOLE.tolist()}).encode()
    assert (service.send("POST", "/v1/masks?n=2", mixed).mask == expected).all()


def test_spelling_of_json(service):
    """White space, exponents, escapes in names and negative zero change nothing."""
    text = '\r\n\t {"\\u006e" :2, "m"\n:4.0e0 ,"weights":[ [9e-1,-1E-1,0.4 ,2e-1],[-0,0,-0.0,1],' \
           '[1,2,3,4],[0.0000000000000000000000000000000000000000004,5,6,7]]} \n'
    plain = [[0.9, -0.1, 0.4, 0.2], [0, 0, 0, 1], [1, 2, 3, 4], [4e-43, 5, 6, 7]]
    reply = service.json("/v1/masks", text)
    assert reply.status == 200, reply.body
    assert reply.body == service.mask(plain, 2, 4).body


# MARK: Framing

def pieces(body, size):
    return [body[start:start + size] for start in range(0, len(body), size)]


def send_pieces(server, target, parts, *, chunked=False, pause=0.0, headers=""):
    """Writes a body in pieces that the network is asked not to join."""
    with server.connect() as connection:
        length = sum(map(len, parts))
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
        connection.sendall(
            f"POST {target} HTTP/1.1\r\nHost: x\r\n{framing}\r\n{headers}\r\n".encode())
        for part in parts:
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if pause:
                time.sleep(pause)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        status, fields, body = read_reply(connection)
        assert status == 200, body
        return json.loads(body)


BODY = json.dumps({"n": 2, "m": 4, "mask_encoding": "bits", "weights": WHOLE.tolist()}).encode()


@pytest.fixture(scope="module")
def whole_reply(service):
    return service.send("POST", "/v1/masks", BODY).json


@pytest.mark.parametrize("chunked", [False, True])
def test_json_byte_by_byte(server, whole_reply, chunked):
    assert send_pieces(server, "/v1/masks", pieces(BODY, 1), chunked=chunked) == whole_reply


def test_json_in_segments_of_a_network(server, service):
    matrix = RANDOM.standard_normal((16, 32))
    body = json.dumps({"n": 2, "m": 4, "weights": matrix.tolist()}).encode()
    assert len(body) > 5 * 1440
    expected = service.send("POST", "/v1/masks", body).json
    assert send_pieces(server, "/v1/masks", pieces(body, 1440), pause=0.02) == expected


@pytest.mark.parametrize("chunked, pause", [(True, 0), (False, 0.01)])
def test_json_split_at_every_place(server, chunked, pause):
    """Inside a number, a name, an escape, a word: nowhere does a cut matter.

    Chunks are read one by one; without them a pause keeps the network from joining the pieces.
    """
    body = '{"n":1,"m":2,"structure":"\\u0072ow","weights":[[1.25e-3,-7],[12345678901234567890,0]]}'
    body = body.encode()
    answers = set()
    for cut in range(1, len(body)):
        answers.add(str(send_pieces(
            server, "/v1/masks", [body[:cut], body[cut:]], chunked=chunked, pause=pause)))
    assert len(answers) == 1


@pytest.mark.parametrize("size", [1, 3, 7, 100, 1440])
@pytest.mark.parametrize("numpy_type, order", [("<f4", "C"), (">f4", "C"), (">f8", "F")])
def test_npy_in_pieces(server, expected, whole_reply, size, numpy_type, order):
    body = npy_bytes(np.array(WHOLE, dtype=numpy_type, order=order))
    assert send_pieces(server, "/v1/masks?n=2&m=4", pieces(body, size)) == whole_reply


def test_raw_in_odd_pieces(server, whole_reply):
    target = "/v1/masks?n=2&m=4&rows=16&columns=24&dtype=F64"
    body = WHOLE.astype("<f8").tobytes()
    assert send_pieces(server, target, pieces(body, 5), chunked=True) == whole_reply


@pytest.mark.parametrize("size", [1_000, 15_000, 50_000, 2_000_000])
def test_chunked_bodies_of_many_sizes(service, size):
    columns = max(4, size // 16 // 4 * 4)
    matrix = RANDOM.standard_normal((4, columns)).round(2)
    body = json.dumps({"n": 2, "m": 4, "mask_encoding": "bits", "weights": matrix.tolist()}).encode()
    at_once = service.send("POST", "/v1/masks", body)
    chunked = service.send("POST", "/v1/masks", iter(pieces(body, 4096)))
    assert at_once.status == 200 and chunked.body == at_once.body


def test_two_requests_in_one_write(server, whole_reply):
    head = b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(BODY)
    last = head + b"Connection: close\r\n"
    with server.connect() as connection:
        connection.sendall(head + b"\r\n" + BODY + last + b"\r\n" + BODY)
        replies = read_all(connection).split(b"HTTP/1.1 200 OK\r\n")
    assert len(replies) == 3 and replies[0] == b""
    for reply in replies[1:]:
        assert json.loads(reply.split(b"\r\n\r\n", 1)[1]) == whole_reply


def test_unpackbits_of_a_width_that_is_no_multiple_of_eight(service):
    matrix = RANDOM.standard_normal((5, 6))
    reply = service.npy("/v1/masks", matrix, {"Accept": OCTETS}, n=1, m=2, structure="row")
    mask = unpack(reply.body, matrix.shape)
    assert (mask == service.mask(matrix, 1, 2, structure="row").mask).all()
