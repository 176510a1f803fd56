# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks by scores of the client's own, masks that keep zeros, and what they are compared with."""

import json

import ml_dtypes
import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp

from service import expect_problem, mask_of
from tensors import MEDIA_TYPE, load, save

RANDOM = np.random.default_rng(31)


def best_score(scores, allowed, n, constraint="exactly"):
    """The best sum that a transposable mask of one tile can keep among the allowed entries."""
    m = len(scores)
    rows = np.kron(np.eye(m), np.ones(m))
    columns = np.kron(np.ones(m), np.eye(m))
    lower = n if constraint == "exactly" else 0
    result = milp(
        -scores.ravel(), integrality=np.ones(m * m), bounds=(0, allowed.ravel().astype(int)),
        constraints=LinearConstraint(np.vstack([rows, columns]), lower, n))
    return -result.fun if result.success else None


def tiles(matrix, m):
    rows, columns = matrix.shape
    return matrix.reshape(rows // m, m, columns // m, m).swapaxes(1, 2).reshape(-1, m, m)


def send(service, tensors, query, headers=None):
    return service.send(
        "POST", f"/v1/masks?{query}", save(tensors), {"Content-Type": MEDIA_TYPE, **(headers or {})})


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
def test_scores_decide(service, structure):
    weights = RANDOM.standard_normal((8, 16))
    scores = RANDOM.random((8, 16))
    by_score = service.mask(scores, 2, 4, structure=structure)
    reply = service.mask(weights, 2, 4, structure=structure, scores=scores.tolist()).json
    mask = mask_of(reply)
    assert (mask == by_score.mask).all()
    assert reply["own_score"]["kept"] == by_score.json["score"]["kept_magnitude"]
    assert reply["certificate"] == by_score.json["certificate"]
    magnitudes = np.abs(weights)
    assert reply["score"]["kept_magnitude"] == pytest.approx(magnitudes[mask].sum(), rel=1e-13)
    assert reply["score"]["total_magnitude"] == pytest.approx(magnitudes.sum(), rel=1e-13)


def test_column_scale_is_a_score(service):
    weights = RANDOM.standard_normal((8, 16))
    scale = RANDOM.random(16)
    scaled = service.mask(np.abs(weights) * scale, 2, 4)
    reply = service.mask(weights, 2, 4, column_scale=scale.tolist())
    assert (reply.mask == scaled.mask).all()
    assert reply.json["own_score"]["kept"] == scaled.json["score"]["kept_magnitude"]
    file = send(service, {"weights": weights, "column_scale": scale}, "n=2&m=4&mask_encoding=array")
    assert file.json == reply.json


@pytest.mark.parametrize("dtype", ["<f4", "<f2", ml_dtypes.bfloat16, "i1"])
def test_file_of_weights_alone_and_with_scores(service, dtype):
    weights = RANDOM.integers(-9, 10, (16, 8)).astype(dtype)
    scores = RANDOM.integers(0, 100, (16, 8)).astype(dtype)
    expected = service.mask(weights.astype(float), 4, 8).mask
    assert (send(service, {"weights": weights}, "n=4&m=8").mask == expected).all()
    expected = service.mask(scores.astype(float), 4, 8).mask
    assert (send(service, {"weights": weights, "scores": scores}, "n=4&m=8").mask == expected).all()


@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
@pytest.mark.parametrize("n, m", [(1, 2), (2, 4), (3, 6), (4, 8)])
def test_zeros_stay_zero_and_the_rest_is_best(service, n, m, constraint):
    """Against an integer program of each tile, which knows what is allowed."""
    weights = RANDOM.standard_normal((2 * m, 6 * m))
    weights[RANDOM.random(weights.shape) < 0.3] = 0
    scores = RANDOM.random(weights.shape)
    for tile_weights, tile_scores in zip(tiles(weights, m), tiles(scores, m)):
        allowed = tile_weights != 0
        best = best_score(tile_scores, allowed, n, constraint)
        reply = service.json("/v1/masks", {
            "weights": tile_weights.tolist(), "scores": tile_scores.tolist(), "n": n, "m": m,
            "constraint": constraint, "keep_zeros": True})
        if best is None:
            expect_problem(reply, 422, None, "keep_zeros", "row", "column")
            continue
        assert reply.status == 200, reply.body
        mask = reply.mask
        assert not (mask & ~allowed).any()
        assert tile_scores[mask].sum() == pytest.approx(best, rel=1e-9)
        counts = [*mask.sum(0), *mask.sum(1)]
        assert max(counts) <= n and (constraint == "at_most" or min(counts) == n)
        certificate = reply.json["certificate"]
        assert certificate["optimal"] and certificate["upper_bound"] >= best - 1e-9
        assert reply.json["zeros"]["entries"] == (~allowed).sum()


def test_keep_zeros_solves_only_what_is_in_conflict(service):
    """A zero that a best mask would keep, in one tile of many and in each structure."""
    weights = np.ones((8, 8))
    scores = np.full((8, 8), 1e-3)
    scores[5, 6] = 1e3
    weights[5, 6] = 0
    for structure in ["transposable", "row", "column"]:
        reply = service.mask(
            weights, 2, 4, structure=structure, scores=scores.tolist(), keep_zeros=True)
        assert reply.status == 200, reply.body
        assert not reply.mask[5, 6] and reply.mask.sum() == 32
        assert reply.json["kept"] == 32 and reply.json["certificate"]["optimal"]
        assert reply.json["own_score"]["kept"] == pytest.approx(0.032, rel=1e-12)


@pytest.mark.parametrize("structure, place, word", [
    ("row", [5, 4], "group of the row"), ("column", [4, 6], "down the column"),
    ("transposable", [5, 4], "group of the row")])
def test_short_groups_are_named(service, structure, place, word):
    weights = np.ones((8, 8))
    weights[5, 4:7] = 0
    weights[4:7, 6] = 0
    document = {"weights": weights.tolist(), "n": 2, "m": 4, "structure": structure,
                "keep_zeros": True}
    reply = service.json("/v1/masks", document)
    expect_problem(reply, 422, f"/weights/{place[0]}/{place[1]}", word, "1 entries", "at_most")
    taken = service.json("/v1/masks", {**document, "constraint": "at_most"})
    assert taken.status == 200
    zeros = taken.json["zeros"]
    assert zeros["short_groups"] == (2 if structure == "transposable" else 1)
    assert [zeros["first_short_group"][name] for name in ("row", "column")] == place
    assert zeros["first_short_group"]["non_zeros"] == 1


def test_tile_without_a_mask_although_no_group_is_short(service):
    """Three rows share two columns, which have room for four of their six entries."""
    weights = np.ones((12, 6))
    weights[6:9, 2:] = 0
    reply = service.mask(weights, 2, 6, keep_zeros=True)
    expect_problem(reply, 422, "/weights/6/0", "tile", "24 entries")
    taken = service.mask(weights, 2, 6, keep_zeros=True, constraint="at_most").json
    assert taken["zeros"] == {"entries": 12, "short_groups": 0, "first_short_group": None}
    assert taken["kept"] == 12 + 10 and taken["certificate"]["optimal"]


def test_flip_rate_and_apply(service, layer):
    first = service.npy("/v1/masks", layer, n=2, m=4).mask
    moved = layer + RANDOM.standard_normal(layer.shape).astype("<f4") * 0.01
    reply = send(
        service, {"weights": moved, "previous_mask": first}, "n=2&m=4&apply=true",
        {"Accept": MEDIA_TYPE})
    tensors = load(reply.body)
    summary = json.loads(reply.fields["mask-summary"])
    flips = int((tensors["mask"] != first).sum())
    assert flips > 0 and summary["flips"] == flips and summary["flip_rate"] == flips / first.size
    assert tensors["values"].tobytes() == np.where(tensors["mask"], moved, 0).astype("<f4").tobytes()
    same = service.npy("/v1/masks", moved, n=2, m=4)
    assert (same.mask == tensors["mask"]).all()


def test_apply_to_every_body(service):
    weights = np.array([[3, -1, 2, -0.5], [0.25, 4, -4, 8]])
    pruned = [[3, 0, 2, 0], [0, 0, -4, 8]]
    as_json = service.mask(weights, 2, 4, structure="row", apply=True)
    # Of -4 and 4 the first is kept.
    pruned[1] = [0, 4, 0, 8]
    assert as_json.json["values"] == pruned
    as_npy = service.npy("/v1/masks", weights, n=2, m=4, structure="row", apply="true")
    assert as_npy.json["values"] == pruned
    reply = service.npy(
        "/v1/masks", weights, {"Accept": "application/x-npy"}, n=2, m=4, structure="row",
        apply="true")
    expect_problem(reply, 406)
    previous = service.mask(
        weights, 2, 4, structure="row", previous_mask=[[1, 0, 1, 0], [0, 1, 1, 0]]).json
    assert previous["flips"] == 2 and previous["flip_rate"] == 0.25


@pytest.mark.parametrize("extra, status, pointer", [
    ({"scores": [[1, 2, 3, -1]]}, 422, "/scores/0/3"),
    ({"scores": [[1, 2, 3]]}, 422, "/scores"),
    ({"scores": [[1, 2, 3, 4]], "column_scale": [1, 1, 1, 1]}, 422, "/column_scale"),
    ({"column_scale": [1, 1, 1]}, 422, "/column_scale"),
    ({"column_scale": [1, 1, -1, 1]}, 422, "/column_scale/2"),
    ({"column_scale": [[1, 1, 1, 1]]}, 422, "/column_scale"),
    ({"column_scale": [1e300, 1, 1, 1], "weights": [[1e300, 1, 1, 1]]}, 422, "/column_scale/0/0"),
    ({"previous_mask": [[1, 0, 2, 0]]}, 422, "/previous_mask/0/2"),
    ({"previous_mask": [[1, 0]]}, 422, "/previous_mask"),
    ({"keep_zeros": 1}, 422, "/keep_zeros"),
    ({"keep_zero": True}, 400, "/keep_zero"),
])
def test_refusals(service, extra, status, pointer):
    document = {"weights": [[1, 2, 3, 4]], "n": 2, "m": 4, "structure": "row"} | extra
    expect_problem(service.json("/v1/masks", document), status, pointer)


def test_file_refusals(service):
    weights = np.ones((4, 4), "<f4")
    expect_problem(send(service, {"scores": weights}, "n=2&m=4"), 422, "/weights")
    expect_problem(send(service, {"weights": weights, "mask": weights}, "n=2&m=4"), 400, "/mask")
    expect_problem(
        send(service, {"weights": weights, "previous_mask": weights}, "n=2&m=4"), 422,
        "/previous_mask")
    expect_problem(send(service, {"weights": weights > 0}, "n=2&m=4"), 422, "/weights")
    expect_problem(send(service, {"weights": weights[0]}, "n=2&m=4"), 422, "/weights")
    expect_problem(send(service, {"weights": weights}, "n=2&m=4&dtype=F32"), 400, "/dtype")
