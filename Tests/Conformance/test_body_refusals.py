# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies that are refused: broken, cut, too long, misnamed."""

import json
import struct
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from service import NPY, OCTETS, expect_problem, npy_bytes

PLAIN = {"n": 1, "m": 2, "weights": [[1, 2], [3, 4]]}
TEXT = json.dumps(PLAIN)
MATRIX = np.arange(16, dtype="<f4").reshape(4, 4)
RAW = "/v1/masks?n=2&m=4&rows=4&columns=4&dtype=F32"


# MARK: Names

@pytest.mark.parametrize("name", ["methods", "N", "Weights", "", "a/b~c", "n ", "weights\x00", "ñ",
                                  "rows", "sparsity", "x" * 5000])
def test_unknown_names(service, name):
    problem = expect_problem(service.json("/v1/masks", PLAIN | {name: 1}), 400)
    assert problem["pointer"] == "/" + name.replace("~", "~0").replace("/", "~1")


@pytest.mark.parametrize("name", ["nn", "weights", "N", "", "%6eo"])
def test_unknown_names_in_the_query(service, name):
    reply = service.send("POST", f"/v1/masks?n=2&m=4&{name}=1", npy_bytes(MATRIX))
    expect_problem(reply, 400, None, "parameter")


@pytest.mark.parametrize("text, name", [
    ('{"n":1,"n":1,"m":2,"weights":[[1,2]]}', "n"),
    ('{"n":1,"m":2,"weights":[[1,2]],"weights":[[1,2]]}', "weights"),
    ('{"n":1,"m":2,"\\u006e":2,"weights":[[1,2]]}', "n"),
    ('{"n":{"a":1,"a":2},"m":2,"weights":[[1,2]]}', "a")])
def test_repeated_names(service, text, name):
    expect_problem(service.json("/v1/masks", text), 400, None, f'"{name}"', "two members")


def test_repeated_names_in_the_query(service):
    for target in ("/v1/masks?n=2&m=4&n=2", "/v1/masks?n=2&m=4&%6E=2"):
        expect_problem(service.send("POST", target, npy_bytes(MATRIX)), 400, None, "'n'", "twice")
    expect_problem(service.json("/v1/masks?n=1", PLAIN), 400, "/n", "query", "body")


def test_more_query_parameters_than_there_are(service):
    many = "&".join(f"x{index}=1" for index in range(100))
    expect_problem(service.send("POST", f"/v1/masks?{many}", b"{}"), 400, None, "64 parameters")


@pytest.mark.parametrize("query", ["n=2&m=4&x=%zz", "n=2&m=4&%ff=1", "n=%2", "n=2&m=4&x=%00"])
def test_queries_that_cannot_be_decoded(service, query):
    # By urllib, because `requests` would repair them.
    request = urllib.request.Request(f"{service.server.url}/v1/masks?{query}", b"{}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 400


# MARK: JSON

@pytest.mark.parametrize("text", [
    TEXT + "x", TEXT + "{}", TEXT + ",", TEXT + "\x00", TEXT[:-1], TEXT[:20], "{", "[", "{]", "[}",
    '{"n"', '{"n":', '{"n" 1}', "{'n':1}", '{n:1}', '{"n":1,}', '{"n":tru}', '{"n":"\\x"}',
    '{"n":"\\ud800"}', '{"n":"a\nb"}', '{"weights":[[1 2]]}', '{"weights":[[1,,2]]}',
    '{"weights":[[1,2],]}', '{"weights":[1,2]]}', '// c\n{}', '{"n":1/**/}'])
def test_broken_json(service, text):
    reply = service.json("/v1/masks", text, {"Content-Type": "application/json"})
    expect_problem(reply, 400, None, "JSON")


@pytest.mark.parametrize("body", [b'{"n":"\xff"}', b'{"\xc3\x28":1}', b'{"n":"\xed\xa0\x80"}',
                                  b"\xef\xbb\xbf{}", b'{"n":"\xc0\xaf"}'])
def test_json_that_is_not_utf8(service, body):
    headers = {"Content-Type": "application/json"}
    reply = service.send("POST", "/v1/masks", body, headers)
    expect_problem(reply, 400)


@pytest.mark.parametrize("text", ["[1]", "[]", "[[1,2],[3,4]]"])
def test_json_that_is_no_object(service, text):
    expect_problem(service.json("/v1/masks", text), 422, "", "object")


@pytest.mark.parametrize("text", ["7", '"a"', "null", "true"])
def test_json_values_that_are_no_object(service, text):
    reply = service.send("POST", "/v1/masks", text.encode(), {"Content-Type": "application/json"})
    expect_problem(reply, 422, "", "object")


@pytest.mark.parametrize("text", [
    "[" * 100_000, '{"x":' + "[" * 100_000 + "]" * 100_000 + "}", '{"a":' * 100_000,
    '{"weights":' + "[" * 200_000, '{"weights":[' + ",".join(["[" * 40 + "]" * 40] * 3000) + "]}",
    '{"n":1,"m":2,"weights":' + "[" * 17 + "]" * 17 + "}"])
def test_deep_nesting(service, text):
    start = time.monotonic()
    expect_problem(service.json("/v1/masks", text), 400, None, "nesting deeper than 16")
    assert time.monotonic() - start < 20


def test_wide_nesting_is_bounded(service):
    """As deep as may be, 10^5 times side by side: slow to hold, quick to refuse or to read."""
    text = '{"n":1,"m":2,"weights":[' + ",".join(["[" * 14 + "]" * 14] * 100_000) + "]}"
    assert service.json("/v1/masks", text).status in (413, 422)


def test_long_numbers(service):
    digits = "1" * 4000
    assert service.json("/v1/masks", TEXT.replace("4]", f"0.{digits}]")).status == 200
    reply = service.json("/v1/masks", TEXT.replace("4]", f"0.{digits * 2}]"))
    expect_problem(reply, 413, None, "4096")


@pytest.mark.parametrize("path", ["/v1/masks", "/v1/masks/validate", "/v1/gradients"])
@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
@pytest.mark.parametrize("content_type", [None, "application/json"])
def test_empty_bodies(service, path, body, content_type):
    reply = service.send("POST", path, body, {"Content-Type": content_type})
    expect_problem(reply, 400)


# MARK: Binary

@pytest.mark.parametrize("length", [0, 1, 60, 63, 65, 68, 128, 1_000])
def test_raw_bodies_of_the_wrong_size(service, length):
    expect_problem(service.send("POST", RAW, bytes(length)), 400, "/weights", "64")


@pytest.mark.parametrize("length", [1, 60, 63, 65, 68, 128, 1_000])
def test_raw_bodies_of_the_wrong_size_in_chunks(service, length):
    expect_problem(service.send("POST", RAW, iter([bytes(length)])), 400, "/weights", "64")


@pytest.mark.parametrize("parameters, pointer", [
    ("rows=4&columns=4", "/dtype"), ("rows=4&dtype=F32", "/columns"), ("columns=4&dtype=F32", "/rows"),
    ("rows=-4&columns=4&dtype=F32", "/rows"), ("rows=4&columns=x&dtype=F32", "/columns"),
    ("rows=4&columns=4&dtype=f4", "/dtype")])
def test_raw_bodies_with_half_a_shape(service, parameters, pointer):
    reply = service.send("POST", f"/v1/masks?n=2&m=4&{parameters}", MATRIX.tobytes())
    expect_problem(reply, 422, pointer)


@pytest.mark.parametrize("rows, columns", [
    (2**62, 2**62), (2**63 - 1, 1), (2**40, 2**40), (3_000_000_000, 4)])
def test_raw_shapes_beyond_all_bounds(service, rows, columns):
    target = f"/v1/masks?n=1&m=1&rows={rows}&columns={columns}&dtype=F64"
    assert service.send("POST", target, bytes(64)).status in (400, 413)


def test_raw_body_that_is_called_json(service):
    reply = service.send("POST", RAW, MATRIX.tobytes(), {"Content-Type": "application/json"})
    expect_problem(reply, 415, None, "raw", "JSON")


@pytest.mark.parametrize("content_type", ["text/plain", "image/png", "multipart/form-data; boundary=x"])
def test_other_content_types(service, content_type):
    reply = service.send("POST", "/v1/masks", TEXT.encode(), {"Content-Type": content_type})
    expect_problem(reply, 415, None, content_type.split(";")[0])


@pytest.mark.parametrize("body", [b"abc", b"\x00" * 100, b"PK\x03\x04", b"\x93NUMPX" + bytes(80), b"-1"])
@pytest.mark.parametrize("content_type", [None, OCTETS])
def test_bodies_of_no_known_form(service, body, content_type):
    reply = service.send("POST", "/v1/masks", body, {"Content-Type": content_type})
    expect_problem(reply, 415)


def test_body_that_is_called_npy(service):
    reply = service.send("POST", "/v1/masks?n=1&m=2", TEXT.encode(), {"Content-Type": NPY})
    expect_problem(reply, 400, "/weights", "NUMPY")


@pytest.mark.parametrize("name", ["rows=4", "columns=4", "dtype=F32", "rows=4&columns=4&dtype=F32"])
def test_npy_with_parameters_of_raw_bodies(service, name):
    reply = service.send("POST", f"/v1/masks?n=2&m=4&{name}", npy_bytes(MATRIX))
    assert reply.status in (400, 422), reply.body


# MARK: .npy

def npy(text, data=MATRIX.tobytes(), version=1, length=None):
    """A .npy file with any header."""
    text = text if isinstance(text, bytes) else text.encode("latin-1")
    size = len(text) if length is None else length
    field = struct.pack("<H" if version == 1 else "<I", size)
    return b"\x93NUMPY" + bytes([version, 0]) + field + text + data


def header(descr="'<f4'", order="False", shape="(4, 4)", extra=""):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {extra}}}\n"


def test_the_helper_makes_files_that_are_read(service):
    assert service.send("POST", "/v1/masks?n=2&m=4", npy(header())).status == 200


@pytest.mark.parametrize("body", [
    b"\x93NUMPY", b"\x93NUMPY\x01", b"\x93NUMPY\x01\x00\x76", npy(header())[:50],
    b"\x93NUMPY\x02\x00\xf0\xff\xff\xff", b"\x93NUMPY\x01\x00\xff\xff", b"\x93NUMPY\x00\x00" + bytes(80),
    b"\x93NUMPY\x04\x00" + bytes(80), b"\x93NUMPY\x01\x07" + bytes(80),
    npy(header(), length=60_000), npy(header(), version=2, length=2**31)])
def test_headers_that_lie_about_themselves(server, service, body):
    before = server.resident_bytes
    expect_problem(service.send("POST", "/v1/masks?n=2&m=4", body), 400, "/weights", "header")
    assert server.resident_bytes - before < 64 << 20


@pytest.mark.parametrize("text", [
    header(extra="'more': 1, "), header(extra="'shape': (4, 4), "), header(order="0"),
    header(order="None"), header(shape="[4, 4]"), header(shape="(4, -4)"), header(shape="(4, 4.0)"),
    header(shape="(np.int64(4), 4)"), header(shape="4"), header(shape="(" * 30_000),
    header(shape="(99999999999999999999, 4)"), header(shape="('4', 4)"), header(shape="(True, 4)"),
    header(descr="4"), header(descr="None"), "{}", "[]", "", "\n", "{'descr': '<f4'}", "None",
    "{'fortran_order': False, 'shape': (4, 4)}", header() + "x", "__import__('os').abort()",
    header().replace(",", ""), header().replace("}", "")])
def test_malformed_headers(service, text):
    reply = service.send("POST", "/v1/masks?n=2&m=4", npy(text))
    expect_problem(reply, 400, "/weights", "header")


@pytest.mark.parametrize("descr", [
    "|O", "<c8", "<c16", "<U4", "|S4", "<M8[s]", "<m8[ns]", "<u2", "<u4", "<u8", "<f16", "f3", "V4",
    "<f4,<f4", "float32", "", "xf4", "|b8"])
def test_types_by_name(service, descr):
    reply = service.send("POST", "/v1/masks?n=2&m=4", npy(header(f"'{descr}'")))
    assert reply.status in (400, 422), reply.body
    assert descr in expect_problem(reply, reply.status, "/weights")["detail"]


def test_structured_type(service):
    reply = service.send("POST", "/v1/masks?n=2&m=4", npy(header("[('a', '<f4')]")))
    assert reply.status in (400, 422)


@pytest.mark.parametrize("descr", ["=f4", "f4"])
def test_types_without_a_byte_order(service, descr):
    """Native, which is little-endian wherever this runs; numpy reads them so."""
    reply = service.send("POST", "/v1/masks?n=2&m=4", npy(header(f"'{descr}'")))
    assert (reply.mask == service.npy("/v1/masks", MATRIX, n=2, m=4).mask).all()


def test_booleans_are_no_weights(service):
    reply = service.npy("/v1/masks", np.ones((4, 4), bool), n=2, m=4)
    expect_problem(reply, 422, "/weights", "boolean")


@pytest.mark.parametrize("order, change", [
    ("C", -64), ("C", -4), ("C", -1), ("C", 1), ("C", 4), ("C", 64), ("F", -64), ("F", -4), ("F", -1), ("F", 1), ("F", 64)])
@pytest.mark.parametrize("chunked", [False, True])
def test_npy_data_of_the_wrong_size(service, change, order, chunked):
    body = npy_bytes(np.array(MATRIX, order=order))
    body = body[:change] if change < 0 else body + bytes(change)
    reply = service.send("POST", "/v1/masks?n=2&m=4", iter([body]) if chunked else body)
    expect_problem(reply, 400, "/weights", "64")


@pytest.mark.parametrize("shape", ["(4000000000, 4000000000)", "(1000000, 1000000)", "(3000000000, 4)"])
def test_shapes_that_nothing_is_allocated_for(server, service, shape):
    before = server.resident_bytes
    reply = service.send("POST", "/v1/masks?n=1&m=1", npy(header(shape=shape)))
    assert reply.status in (400, 413), reply.body
    assert server.resident_bytes - before < 64 << 20
