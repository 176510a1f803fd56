# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of requests of the soak test, and what is right to answer to each.

Each kind is a function of a random generator that returns a `Call`: a request, and a check of its reply
that shares no code with the service.
"""

import gzip
import io
import json
import math
import struct
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
from safetensors.numpy import load, save

import oracle
from service import mask_of, npy_bytes, query, unpack

PATTERNS = [(2, 4), (1, 4), (3, 4), (4, 8), (1, 2), (8, 16)]
TYPES = ["<f4", "<f4", "<f2", "<f8", "i1", "<i4", ">f4"]


@dataclass
class Call:
    """A request, and `check(status, fields, body)` of its reply, which raises where it is wrong."""

    target: str
    body: bytes | None = None
    headers: dict = field(default_factory=dict)
    check: Callable = lambda status, fields, body: None
    method: str = "POST"
    # Seconds that the body is sent over; or the part of it after which the client goes away.
    pace: float = 0
    leaves_after: float | None = None
    # The last reply that was found right.
    right: object = None


def matrix(chance, largest=1 << 20):
    """A matrix of 1 KiB to some MiB, of any type and some kind of values."""
    entries = int(2 ** chance.uniform(8, math.log2(largest)))
    side = 16 * max(1, int(math.sqrt(entries)) // 16)
    shape = side, 16 * max(1, entries // side // 16)
    kind = chance.integers(4)
    if kind == 0:
        values = chance.integers(-3, 4, shape)
    elif kind == 1:
        values = np.clip(chance.lognormal(0, 2, shape), 0, 100)
    else:
        values = chance.standard_normal(shape) * 10
    return values.astype(chance.choice(TYPES))


def encoded(chance, body, headers):
    """The body in one of the encodings that are read."""
    choice = chance.integers(6)
    if choice == 0:
        return gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
    if choice == 1:
        # A zstd frame of blocks that are stored, as RFC 8878 has them.
        frame = bytearray(b"\x28\xb5\x2f\xfd\x00\x38")
        for start in range(0, len(body), 1 << 16):
            piece = body[start:start + (1 << 16)]
            is_last = start + len(piece) == len(body)
            frame += struct.pack("<I", is_last | len(piece) << 3)[:3] + piece
        return bytes(frame), headers | {"Content-Encoding": "zstd"}
    return body, headers


def parameters(chance, with_methods=True):
    n, m = PATTERNS[chance.integers(len(PATTERNS))]
    found = {"n": n, "m": m,
             "structure": str(chance.choice(["transposable", "row", "column"])),
             "constraint": str(chance.choice(["exactly", "at_most"]))}
    if with_methods and found["structure"] == "transposable" and chance.random() < 0.2:
        found["method"] = str(chance.choice(["greedy", "two_approximation", "min_cost_flow"]))
    return found


def expect(status, expected, body):
    assert status == expected, f"{status}, not {expected}: {body[:300]!r}"


# MARK: Masks

def mask_by_npy(chance):
    weights, given = matrix(chance), parameters(chance)
    if given.get("method") == "min_cost_flow":
        weights = weights[:64, :64]
    # The sums of the service are of the values in their own type.
    plain = weights.astype(np.float64)
    form = str(chance.choice(["json", "npy", "octets"]))
    headers = {"json": {}, "npy": {"Accept": "application/x-npy"},
               "octets": {"Accept": "application/octet-stream"}}[form]
    body = npy_bytes(np.asfortranarray(weights) if chance.random() < 0.2 else weights)
    body, headers = encoded(chance, body, headers)

    def check(status, fields, reply):
        expect(status, 200, reply)
        if form == "json":
            document = json.loads(reply)
            mask = mask_of(document)
        else:
            document = json.loads(fields["mask-summary"])
            mask = (np.load(io.BytesIO(reply)) if form == "npy"
                    else unpack(np.frombuffer(reply, np.uint8), weights.shape))
        oracle.assert_reply(document, mask, plain)
        if given["structure"] != "transposable":
            lines = np.abs(plain if given["structure"] == "row" else plain.T)
            groups = lines.reshape(-1, given["m"])
            best = np.sort(groups, axis=1)[:, -given["n"]:].sum()
            assert math.isclose(document["score"]["kept_magnitude"], best, rel_tol=1e-9)

    return Call("/v1/masks" + query(given), body, headers, check)


def mask_by_json(chance):
    weights = matrix(chance, 1 << 14).astype("<f8")
    given = parameters(chance, with_methods=False)
    text = json.dumps(given | {"weights": weights.tolist()}).encode()
    body, headers = encoded(chance, text, {"Content-Type": "application/json"})

    def check(status, fields, reply):
        expect(status, 200, reply)
        document = json.loads(reply)
        oracle.assert_reply(document, mask_of(document), weights)

    return Call("/v1/masks", body, headers, check)


def mask_by_inference(chance):
    weights = matrix(chance, 1 << 18).astype("<f4")
    n, m = PATTERNS[chance.integers(len(PATTERNS))]
    text = json.dumps({
        "inputs": [{"name": "weights", "shape": list(weights.shape), "datatype": "FP32",
                    "parameters": {"binary_data_size": weights.nbytes}}],
        "parameters": {"n": n, "m": m, "binary_data_output": True}}).encode()

    def check(status, fields, reply):
        expect(status, 200, reply)
        size = int(fields["inference-header-content-length"])
        document = json.loads(reply[:size])
        mask = np.frombuffer(reply, bool, weights.size, size).reshape(weights.shape)
        oracle.assert_valid(mask, n, m)
        kept = np.frombuffer(reply, "<f8", 1, size + weights.size)[0]
        assert math.isclose(kept, oracle.score(mask, weights), rel_tol=1e-12)
        assert document["parameters"]["kept"] == mask.sum()

    return Call("/v2/models/transposable_mask/infer", text + weights.tobytes(),
                {"Inference-Header-Content-Length": str(len(text))}, check)


def model(chance):
    tensors = {name: matrix(chance, 1 << 18).astype("<f4") for name in "abc"}
    tensors["bias"] = np.ones(7, "<f4")
    n, m = PATTERNS[chance.integers(len(PATTERNS))]
    body, headers = encoded(chance, save(tensors), {})

    def check(status, fields, reply):
        expect(status, 200, reply)
        masks = load(reply)
        assert masks.keys() == tensors.keys() - {"bias"}
        for name, mask in masks.items():
            oracle.assert_valid(mask.astype(bool), n, m)

    return Call("/v1/models/masks" + query({"n": n, "m": m}), body, headers, check)


# MARK: The other routes

def gradient(chance):
    values = matrix(chance, 1 << 14).astype("<f4")
    n, m = PATTERNS[chance.integers(len(PATTERNS))]
    text = json.dumps({"gradients": values.tolist(), "n": n, "m": m, "probabilities": True,
                       "seed": int(chance.integers(1 << 30)), "dtype": "F32"}).encode()

    def check(status, fields, reply):
        expect(status, 200, reply)
        document = json.loads(reply)
        mask = np.array(document["mask"], bool)
        estimate = np.array(document["values"])
        chances = np.array(document["probabilities"])
        oracle.assert_valid(mask, n, m, "row", "at_most")
        assert not estimate[~mask].any()
        np.testing.assert_allclose(estimate[mask] * chances[mask], values[mask], rtol=1e-5)
        # Groups with n entries that are not zero keep n of them.
        full = (values.reshape(-1, m) != 0).sum(axis=1) >= n
        assert (mask.reshape(-1, m).sum(axis=1)[full] == n).all()

    return Call("/v1/gradients", text, {"Content-Type": "application/json"}, check)


def validation(chance):
    n, m = PATTERNS[chance.integers(len(PATTERNS))]
    weights = matrix(chance, 1 << 18) * chance.integers(0, 2)
    structure = str(chance.choice(["transposable", "row", "column"]))
    counts = oracle.kept_counts(weights != 0, m, structure)
    violations = sum(int((count > n).sum()) for count in counts)

    def check(status, fields, reply):
        expect(status, 200, reply)
        document = json.loads(reply)
        assert document["violations"] == violations
        assert document["groups"] == sum(count.size for count in counts)

    return Call("/v1/masks/validate" + query(
        {"n": n, "m": m, "structure": structure, "constraint": "at_most"}),
        npy_bytes(weights), {}, check)


def compression(chance):
    shape = 16 * int(chance.integers(1, 20)), 32 * int(chance.integers(1, 20))
    kept = np.argsort(chance.random((*shape[:1], shape[1] // 4, 4)), axis=2) < 2
    weights = np.where(kept.reshape(shape), chance.standard_normal(shape), 0).astype("<f2")

    def check(status, fields, reply):
        expect(status, 200, reply)
        document = json.loads(reply)
        values = np.array(document["values"], "<f2").reshape(shape[0], -1)
        assert values.shape == (shape[0], shape[1] // 2)
        # In the order of the columns, zeros where a group has fewer than two.
        flat = weights.reshape(-1, 4)
        expected = [sorted(row[row != 0]) for row in flat]
        found = [sorted(pair[pair != 0]) for pair in values.reshape(-1, 2)]
        assert expected == found

    return Call("/v1/compress?n=2&m=4", npy_bytes(weights), {"Accept": "application/json"}, check)


def diversity(chance):
    n, m = PATTERNS[chance.integers(len(PATTERNS))]

    def check(status, fields, reply):
        expect(status, 200, reply)
        assert json.loads(reply)["row"]["per_group"] == str(math.comb(m, n))

    return Call(f"/v1/diversity?rows={4 * m}&columns={2 * m}&n={n}&m={m}", check=check,
                method="GET")


def service_page(chance):
    path = str(chance.choice(["/", "/healthz", "/readyz", "/metrics", "/openapi.yaml", "/v2"]))
    return Call(path, check=lambda status, fields, reply: expect(status, 200, reply), method="GET")


# MARK: What is wrong

WRONG = [
    ("/v1/masks?n=5&m=4", npy_bytes(np.ones((4, 4))), {}, 422),
    ("/v1/masks?n=2&m=4", npy_bytes(np.full((4, 4), np.nan)), {}, 422),
    ("/v1/masks?n=2&m=4", npy_bytes(np.ones((6, 6))), {}, 422),
    ("/v1/masks?n=2&m=4", npy_bytes(np.ones((64, 64)))[:-3], {}, 400),
    ("/v1/masks?n=2&m=4&nn=1", npy_bytes(np.ones((4, 4))), {}, 400),
    ("/v1/masks?n=2&m=4", b"\x93NUMPY\x02\x00\xf0\xff\xff\xff", {}, 400),
    ("/v1/masks", b'{"n":2,"m":4,"weights":[[NaN]]}', {}, 400),
    ("/v1/masks", b"[" * 5000, {}, 400), ("/v1/masks", b"\0\0\0\0\0\0\0\0\0\0", {}, 415),
    ("/v1/masks", b"{}", {"Accept": "image/png"}, 406), ("/v1/nothing", b"{}", {}, 404),
    ("/v1/diversity", b"{}", {}, 405), ("/v1/masks", b"x" * 99, {"Content-Encoding": "gzip"}, 400),
    ("/v1/masks", b"x" * 99, {"Content-Encoding": "br"}, 415),
    ("/v1/masks", b"{}", {"X-Filler": "a" * 33_000}, 431),
    ("/v1/models/masks?n=2&m=4", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", {
        "Content-Type": "application/vnd.safetensors"}, 400),
    ("/v1/gradients", b'{"n":2,"m":4,"gradients":[[1,2,3]]}', {}, 422)]


def malformed(chance):
    target, body, headers, expected = WRONG[chance.integers(len(WRONG))]

    def check(status, fields, reply):
        expect(status, expected, reply)
        assert fields["content-type"] == "application/problem+json"
        assert json.loads(reply)["status"] == expected

    return Call(target, body, headers, check)


def slow(chance):
    call = mask_by_npy(chance)
    call.pace = float(chance.uniform(0.5, 3))
    return call


def vanishing(chance):
    call = mask_by_npy(chance)
    call.leaves_after = float(chance.choice([0, 0.1, 0.5, 1]))
    return call


# Each kind, and how often it is chosen.
KINDS = {
    mask_by_npy: 8, mask_by_json: 4, mask_by_inference: 3, model: 2, gradient: 3, validation: 2,
    compression: 2, diversity: 2, service_page: 2, malformed: 4, slow: 1, vanishing: 2}
