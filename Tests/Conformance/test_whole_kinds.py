# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that users of other tools have met, over every route and form of body that could have them."""

import itertools
import json
import math
import struct
import time

import numpy as np
import pytest
from safetensors.numpy import save

import oracle
from processes import wait_until
from service import NPY, Service, expect_problem, mask_of, npy_bytes, query
from server import Server, read_reply
from test_models import MALFORMED

RANDOM = np.random.default_rng(24)
HUGE = 1 << 62
# 2:4 along the rows, so that the matrix may also be compressed.
PRUNED = np.tile([0, 3, -2, 0], (8, 2)).astype("<f4")


# MARK: Every way to send a matrix

def raw(path, field, matrix, **parameters):
    rows, columns = matrix.shape
    target = path + query(parameters | {"rows": rows, "columns": columns, "dtype": "F32"})
    return target, matrix.astype("<f4").tobytes(), {}


def npy(path, field, matrix, **parameters):
    return path + query(parameters), npy_bytes(matrix.astype("<f4")), {}


def columns_npy(path, field, matrix, **parameters):
    return path + query(parameters), npy_bytes(np.asfortranarray(matrix.astype(">f4"))), {}


def tensors(path, field, matrix, **parameters):
    return path + query(parameters), save({field: matrix.astype("<f4")}), {}


def inference(path, field, matrix, **parameters):
    """The JSON part, and the numbers behind it."""
    document = {
        "inputs": [{"name": field, "shape": list(matrix.shape), "datatype": "FP32",
                    "parameters": {"binary_data_size": matrix.size * 4}}],
        "parameters": parameters}
    text = json.dumps(document).encode()
    return (path, text + matrix.astype("<f4").tobytes(),
            {"Inference-Header-Content-Length": str(len(text))})


def raw_inference(path, field, matrix, **parameters):
    return (*raw(path, field, matrix, **parameters)[:2], {"Inference-Header-Content-Length": "0"})


MASKS, VALIDATION, GRADIENTS = "/v1/masks", "/v1/masks/validate", "/v1/gradients"
COMPRESSION, MODELS = "/v1/compress", "/v1/models/masks"
INFER, GRADIENT_INFER = "/v2/models/row_mask/infer", "/v2/models/unbiased_gradient/infer"
WAYS = [
    (way, path, field) for way, path, field in [
        *((way, path, field) for way in (raw, npy, columns_npy)
          for path, field in ((MASKS, "weights"), (VALIDATION, "mask"), (GRADIENTS, "gradients"),
                              (COMPRESSION, "weights"))),
        *((tensors, path, "weights") for path in (MASKS, COMPRESSION, MODELS)),
        *((way, path, field) for way in (inference, raw_inference)
          for path, field in ((INFER, "weights"), (GRADIENT_INFER, "gradients")))]]
NAMES = [f"{way.__name__} {path}" for way, path, _ in WAYS]
JSON_PATHS = [MASKS, VALIDATION, GRADIENTS, COMPRESSION, "/v1/decompress", MODELS, INFER,
              GRADIENT_INFER]


def send(service, request):
    target, body, headers = request
    return service.send("POST", target, body, headers)


@pytest.mark.parametrize("way, path, field", WAYS, ids=NAMES)
def test_the_matrix_is_taken_whole(service, way, path, field):
    """What the tests below change is right before it is changed."""
    reply = send(service, way(path, field, PRUNED, n=2, m=4))
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("change", [-64, -5, -4, -1, 1, 4, 5, 64, 4096])
@pytest.mark.parametrize("way, path, field", WAYS, ids=NAMES)
@pytest.mark.parametrize("chunked", [False, True])
def test_data_and_shape_disagree(server, service, way, path, field, change, chunked):
    """Too short or too long by some bytes: refused with both sizes, and the next reply is its own."""
    target, body, headers = way(path, field, PRUNED, n=2, m=4)
    changed = body[:change] if change < 0 else body + b"\x7f" * change
    reply = service.send("POST", target, iter([changed]) if chunked else changed, headers)
    expect_problem(reply, 400)
    sizes = {str(number) for number in (
        len(changed), len(body), 256, 256 + change, len(body) - 256 + change, change + 256)}
    assert any(size in reply.json["detail"] for size in sizes), reply.json["detail"]
    right = send(service, (target, body, headers))
    assert right.status == 200
    # Gradients draw a seed of their own.
    if "gradient" not in path:
        assert right.body == send(service, (target, body, headers)).body


# MARK: Not finite

@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0x7F800000,
                                  0xFF800000])
@pytest.mark.parametrize("way, path, field", WAYS, ids=NAMES)
def test_not_finite_at_every_place(service, way, path, field, bits):
    """NaN of either sign and any payload, and infinity: the place of the first one is named."""
    value = np.array(bits, "<u4").view("<f4")
    for row, column in itertools.product(range(0, 8, 3), range(8)):
        matrix = PRUNED.copy()
        matrix[row, column] = value
        # A second one behind it, which is not the first.
        matrix[7, 7] = math.nan
        reply = send(service, way(path, field, matrix, n=2, m=4))
        if path == COMPRESSION:
            # It compresses whatever is not zero, where the pattern has room for it.
            assert reply.status in (200, 422)
            continue
        expect_problem(reply, 422)
        places = f"row {row}, column {column}", f"[{row}, {column}]"
        assert any(place in reply.json["detail"] for place in places), reply.json


# MARK: n is what is kept

@pytest.mark.parametrize("n, m", [(1, 4), (3, 4), (2, 4), (1, 2), (5, 8)])
@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
def test_n_is_what_is_kept_everywhere(service, n, m, structure):
    weights = RANDOM.permutation(np.arange(1.0, 257)).reshape(16, 16)
    document = service.mask(weights, n, m, structure=structure).json
    mask = mask_of(document)
    assert document["kept_per_group"] == n and document["density"] == n / m
    oracle.assert_valid(mask, n, m, structure)
    report = service.send(
        "POST", MODELS + query({"n": n, "m": m, "structure": structure}),
        save({"w": weights.astype("<f4")}), {"Accept": "application/json"}).json
    assert report["kept_per_group"] == n and report["totals"]["kept"] == mask.sum()
    for kept, valid in ((mask, True), (~mask, 2 * n == m)):
        found = service.json(VALIDATION, {
            "mask": kept.astype(int).tolist(), "n": n, "m": m, "structure": structure}).json
        assert found["valid"] == valid
    if structure != "transposable":
        estimate = service.json(GRADIENTS, {
            "gradients": weights.tolist(), "n": n, "m": m, "axis": structure, "seed": 1}).json
        assert estimate["kept_per_group"] == n
        oracle.assert_valid(np.array(estimate["mask"], bool), n, m, structure)
    count = service.get(f"/v1/diversity?rows=16&columns=16&n={n}&m={m}").json
    assert count["row"]["per_group"] == str(math.comb(m, n))


# MARK: JSON that is deep, broken or wide

DEEP = ["[" * 100_000, '{"x":' + "[" * 100_000 + "]" * 100_000 + "}", '{"a":' * 100_000,
        '{"weights":' + "[" * 200_000]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("text", DEEP, ids=["open", "closed", "objects", "weights"])
def test_deep_nesting_everywhere(service, path, text):
    reply = service.json(path, text, {"Content-Type": "application/json"})
    expect_problem(reply, 400, None, "nesting deeper than")


@pytest.mark.parametrize("path, field", [
    (MASKS, "weights"), (VALIDATION, "weights"), (GRADIENTS, "gradients"),
    (COMPRESSION, "weights")])
@pytest.mark.parametrize("text, status", [
    ("[[NaN,1,2,3]]", 400), ("[[Infinity,-Infinity,1,2]]", 400), ("[[NaN.2e2,1,2,3]]", 400),
    ("[[1e999,1,2,3]]", 422), ("[[1,2,3,4],[5,6,7]]", 422), ("[[1,2],[3,[4]]]", 422),
    ("[[[1,2,3,4]]]", 422), ("[1,2,3,4]", 422), ("[[],[1]]", 422), ("null", 422), ('"NaN"', 422),
    ("[[null,1,2,3]]", 422), ("[[1,2,3,4],null]", 422)])
def test_numbers_that_are_none_everywhere(service, path, field, text, status):
    document = '{"n":2,"m":4,"%s":%s}'
    if path in (MASKS, VALIDATION):
        document = '{"n":2,"m":4,"structure":"row","%s":%s}'
    # Nothing but the numbers can be wrong.
    assert service.json(path, document % (field, "[[0,1,0,3],[0,0,1,1]]")).status == 200
    expect_problem(service.json(path, document % (field, text)), status)


def test_a_large_json_body_is_read_in_a_small_multiple_of_its_numbers(server, service):
    """A million numbers, with 17 digits and as zeros; the reply as numbers and as bits."""
    before = server.resident_bytes
    for numbers in (["0.12345678901234567", "-1.2345678901234567e-5"] * 512, ["0"] * 1024):
        row = "[" + ",".join(numbers) + "]"
        text = '{"n":2,"m":4,"mask_encoding":"%s","weights":[' + ",".join([row] * 1024) + "]}"
        masks = [mask_of(service.json(MASKS, text % encoding).json)
                 for encoding in ("array", "bits")]
        assert (masks[0] == masks[1]).all()
        oracle.assert_valid(masks[0], 2, 4)
    assert server.resident_bytes - before < 160 << 20


# MARK: Files

@pytest.mark.parametrize("path", [MASKS, COMPRESSION, "/v1/decompress"])
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_tensor_files_everywhere(server, service, path, case):
    body, _ = MALFORMED[case]
    before = server.resident_bytes
    headers = {"Content-Type": "application/vnd.safetensors"}
    reply = service.send("POST", f"{path}?n=2&m=4", body, headers)
    assert reply.status in (400, 413, 422), reply.body
    assert server.resident_bytes - before < 16 << 20


NPY_HEADERS = [
    b"\x93NUMPY\x02\x00\xf0\xff\xff\xff", b"\x93NUMPY\x01\x00\xff\xff" + bytes(99),
    b"\x93NUMPY\x03\x00\x76\x00\x00\x00{", b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
    *(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text for text in (
        b"{'descr': '|O', 'fortran_order': False, 'shape': (4, 4), }\n",
        b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 4), }\n",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (np.int64(4), 4), }\n",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }\n",
        b"{'descr': '<f4', 'fortran_order': True, 'shape': (20000, 20000), }\n",
        b"{'descr': '<f4', 'shape': (4, 4), }\n"))]


@pytest.mark.parametrize("path", [MASKS, VALIDATION, GRADIENTS, COMPRESSION])
@pytest.mark.parametrize("header", NPY_HEADERS)
def test_npy_headers_that_lie_everywhere(server, service, path, header):
    before = server.resident_bytes
    reply = service.send("POST", f"{path}?n=2&m=4", header, {"Content-Type": NPY})
    assert reply.status in (400, 413, 422), reply.body
    assert server.resident_bytes - before < 16 << 20


# MARK: Compressed bodies

def zstd_frame(blocks, size=None):
    """A frame of blocks that repeat one byte: (byte, count); RFC 8878, section 3.1.1."""
    # A window of 128 KiB; no size, no checksum.
    frame = bytearray(b"\x28\xb5\x2f\xfd\x00" + bytes([(17 - 10) << 3]))
    for index, (byte, count) in enumerate(blocks):
        is_last = index == len(blocks) - 1
        frame += struct.pack("<I", is_last | 1 << 1 | count << 3)[:3] + byte
    return bytes(frame)


@pytest.mark.parametrize("path", JSON_PATHS)
def test_zstd_that_expands_beyond_the_limit(small_service, small_server, path):
    """A gibibyte of blanks in 32 KiB is stopped at the limit of a plain body."""
    before = small_server.resident_bytes
    body = zstd_frame([(b" ", 1 << 17)] * 8192)
    assert len(body) < 40_000
    reply = small_service.send("POST", path, body, {"Content-Encoding": "zstd"})
    expect_problem(reply, 413)
    assert small_server.resident_bytes - before < 32 << 20


def test_zstd_is_read(service):
    target = MASKS + query({"n": 2, "m": 4, "rows": 256, "columns": 512, "dtype": "I8"})
    reply = service.send("POST", target, zstd_frame([(b"\1", 1 << 16)] * 2),
                         {"Content-Encoding": "zstd"})
    assert reply.status == 200 and reply.json["kept"] == 1 << 16


@pytest.mark.parametrize("body", [
    zstd_frame([(b" ", 100)])[:-1], zstd_frame([(b" ", 100)]) + b"x", b"\x28\xb5\x2f\xfd", b"x" * 50,
    # A window of 2^41 bytes; a block of a kind that does not exist.
    b"\x28\xb5\x2f\xfd\x00\xf8" + b"\3\0\0 ", b"\x28\xb5\x2f\xfd\x00\x38\x07\x00\x00"])
def test_broken_zstd(server, service, body):
    before = server.resident_bytes
    reply = service.send("POST", MASKS, body, {"Content-Encoding": "zstd"})
    assert reply.status in (400, 415), reply.body
    assert server.resident_bytes - before < 16 << 20


def test_windows_of_compressed_bodies_are_counted(description):
    """Each zstd body may ask for 8 MiB, however small it is."""
    server = Server("--max-memory", "20MiB")
    head = (b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
            b"Content-Encoding: zstd\r\n\r\n\x28\xb5\x2f\xfd")
    try:
        service = Service(server, description)
        kept = [server.connect() for _ in range(2)]
        for connection in kept:
            connection.sendall(head)
        wait_until(lambda: b"\nnmmask_admitted_requests 2\n" in service.get("/metrics").body)
        reply = service.send("POST", MASKS, b"x", {"Content-Encoding": "zstd"})
        expect_problem(reply, 503, None, "memory")
        for connection in kept:
            connection.close()
        wait_until(lambda: service.send(
            "POST", MASKS, b"x", {"Content-Encoding": "zstd"}).status == 400)
    finally:
        assert server.stop() == 0


# MARK: Large groups

@pytest.mark.parametrize("structure, n, m", [
    ("row", 16, 32), ("row", 32, 64), ("row", 500, 1000), ("column", 16, 32), ("column", 511, 1024),
    ("transposable", 8, 16), ("transposable", 16, 32), ("transposable", 31, 64),
    ("transposable", 3, 7), ("transposable", 5, 12), ("transposable", 20, 63)])
def test_large_groups_are_no_matter_of_enumeration(service, structure, n, m):
    weights = RANDOM.standard_normal((2 * m, 2 * m))
    reply = service.npy(MASKS, weights, n=n, m=m, structure=structure, timeout_ms=60_000)
    assert reply.status == 200, reply.body
    oracle.assert_reply(reply.json, mask_of(reply.json), weights)
    assert reply.json["certificate"]["optimal"]


@pytest.mark.parametrize("path", [MASKS, VALIDATION, GRADIENTS, MODELS, COMPRESSION])
@pytest.mark.parametrize("m", [1025, 1_000_003, 2**63 - 1])
def test_groups_that_are_too_large_are_refused_everywhere(service, path, m):
    matrix = {"weights": [[1, 2]], "gradients": [[1, 2]], "mask": [[1, 0]],
              "tensors": {"a": [[1, 2]]}}
    field = {MASKS: "weights", VALIDATION: "mask", GRADIENTS: "gradients", MODELS: "tensors",
             COMPRESSION: "weights"}[path]
    reply = service.json(path, {"n": 1, "m": m, field: matrix[field]})
    expect_problem(reply, 422)


# MARK: Wide types

def test_scores_of_half_precision_do_not_overflow(service):
    """Scales whose products with the weights no half holds decide as their exact values do."""
    weights = np.full((4, 8), 300, "<f2")
    scale = np.array([300, 299, 1, 2, 65504, 1, 65472, 2], "<f2")
    reply = service.send(
        "POST", MASKS + "?n=2&m=4&structure=row",
        save({"weights": weights, "column_scale": scale}))
    expected = np.tile([1, 1, 0, 0, 1, 0, 1, 0], (4, 1)).astype(bool)
    assert (mask_of(reply.json) == expected).all()
    assert reply.json["own_score"]["kept"] == 4 * 300.0 * (300 + 299 + 65504 + 65472)


def test_subnormals_after_a_thousand_requests(server, service):
    """No library that was used on the way has the processor flush them to zero."""
    row = np.array([[1e-42, 3e-42, 2e-42, 0]], "<f4")
    body, target = npy_bytes(row), MASKS + "?n=2&m=4&structure=row"
    first = service.send("POST", target, body).body
    methods = ["exact", "min_cost_flow", "greedy", "two_approximation"]
    others = [(MASKS + f"?n=2&m=4&method={method}", npy_bytes(PRUNED)) for method in methods]
    others += [(GRADIENTS + "?n=2&m=4&seed=1", npy_bytes(PRUNED))]
    for index in range(1000):
        other, data = others[index % len(others)]
        service._session.post(server.url + other, data, timeout=20)
    assert service.send("POST", target, body).body == first
    assert service.send("POST", target, body).mask.tolist() == [[False, True, True, False]]
    file = save({"weights": row})
    assert mask_of(service.send("POST", target, file).json).tolist() == [[False, True, True, False]]


# MARK: Pieces and crowds

def test_a_body_in_pieces_is_one_request(description):
    """It has one line in the log and counts once, whatever its pieces."""
    server = Server()
    try:
        body = json.dumps({"n": 1, "m": 2, "weights": [[1.25e-3, 2], [3, 4]]}).encode()
        with server.connect() as connection:
            connection.sendall(
                b"POST /v1/masks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            for byte in body:
                connection.sendall(bytes([byte]))
                time.sleep(0.001)
            assert read_reply(connection)[0] == 200
        wait_until(lambda: any("route=/v1/masks" in line for line in server.log))
        assert sum("route=/v1/masks" in line for line in server.log) == 1
        assert server.cpu_seconds < 5
        metrics = Service(server, description).get("/metrics").body.decode()
        counts = [line for line in metrics.splitlines() if 'route="/v1/masks"' in line
                  and line.startswith("http_server_request_duration_seconds_count")]
        assert [line.rsplit(" ", 1)[1] for line in counts] == ["1"]
    finally:
        assert server.stop() == 0


def test_more_clients_than_requests_may_be_at_work(description):
    """400 at once where 16 are admitted: each gets its mask, or 503 and when to come back."""
    server = Server("--max-requests", "16", "--threads", "2")
    weights = RANDOM.standard_normal((256, 256)).astype("<f4")
    body, target = npy_bytes(weights), MASKS + "?n=2&m=4"
    try:
        service = Service(server, description)
        right = service.send("POST", target, body).body
        before = server.resident_bytes
        connections = [server.connect(timeout=60) for _ in range(400)]
        text = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        # All begin, and then all end.
        for connection in connections:
            connection.sendall(text + body[:1000])
        assert service.get("/healthz").status == 200
        replies = []
        for connection in connections:
            try:
                connection.sendall(body[1000:])
            except ConnectionError:
                pass
        for connection in connections:
            status, fields, reply = read_reply(connection)
            replies.append(status)
            assert status == 200 and reply == right or (
                status == 503 and fields["retry-after"] == "1"), reply[:200]
            connection.close()
        assert replies.count(200) >= 16 and 503 in replies
        assert server.resident_bytes - before < 512 << 20
        wait_until(lambda: service.send("POST", target, body).body == right)
    finally:
        assert server.stop() == 0
