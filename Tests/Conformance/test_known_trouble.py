# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that users of other tools have met, each as a class of inputs."""

import itertools
import json

import numpy as np
import pytest

import oracle
from server import Server
from service import Service, expect_problem, mask_of

METHODS = ["exact", "min_cost_flow", "greedy", "two_approximation"]
RANDOM = np.random.default_rng(11)


def ramp(m):
    return np.arange(1.0, m * m + 1).reshape(m, m)


# MARK: A transposable mask keeps too many

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n, m, best", [(2, 4, 68), (4, 8, 1040)])
def test_ramps(service, method, n, m, best):
    """W = r + c: all masks score alike."""
    reply = service.mask(ramp(m), n, m, method=method)
    assert reply.json["score"]["kept_magnitude"] == best
    oracle.assert_reply(reply.json, reply.mask, ramp(m))


PATTERNS = [(n, m) for m in range(1, 17) for n in range(1, m + 1)]


@pytest.mark.parametrize("n, m", PATTERNS)
def test_every_pattern_by_every_method(service, n, m):
    kinds = {
        "normal": RANDOM.standard_normal((m, 2 * m)), "ramp": np.hstack([ramp(m), ramp(m).T]),
        "ones": np.ones((m, 2 * m)), "lattice": RANDOM.integers(-2, 3, (m, 2 * m)).astype(float)}
    weights = np.vstack(list(kinds.values()))
    for constraint in ("exactly", "at_most"):
        scores = {}
        for method in METHODS:
            reply = service.npy(
                "/v1/masks", weights, n=n, m=m, method=method, constraint=constraint)
            assert reply.status == 200, reply.body
            oracle.assert_reply(reply.json, reply.mask, weights)
            scores[method] = reply.json["score"]["kept_magnitude"]
        assert scores["min_cost_flow"] == pytest.approx(scores["exact"], rel=1e-6)
        assert scores["greedy"] >= scores["exact"] / 2
        total = np.abs(weights).sum()
        if constraint == "at_most":
            pruned = total - scores["two_approximation"]
            assert pruned <= 2 * (total - scores["exact"]) * (1 + 1e-12) + 1e-9


@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
@pytest.mark.parametrize("n, m", [(1, 2), (1, 3), (2, 4), (3, 4), (4, 8), (3, 7), (8, 16)])
def test_random_tiles_reach_the_linear_optimum(service, n, m, constraint):
    for weights in (RANDOM.standard_normal((m, m)), RANDOM.lognormal(0, 3, (m, m)),
                    RANDOM.integers(0, 3, (m, m)).astype(float), np.outer(*RANDOM.random((2, m)))):
        document = service.mask(weights, n, m, constraint=constraint).json
        assert document["certificate"]["optimal"]
        assert document["score"]["kept_magnitude"] == pytest.approx(
            oracle.tile_optimum(weights, n, constraint), rel=1e-9)


@pytest.mark.parametrize("weights, n, best", [
    ([[15, 5, 12, 13], [10, 16, 9, 6], [7, 4, 1, 11], [3, 8, 2, 14]], 2, 92),
    ([[11, 11, 10, 10], [11, 11, 10, 10], [10, 10, 0, 0], [10, 10, 0, 0]], 2, 80),
    ([[101, 101, 100, 100], [101, 101, 100, 100], [100, 100, 0, 0], [100, 100, 0, 0]], 2, 800),
    ([[(7 * i + 5 * j + 3 * i * j) % 11 for j in range(4)] for i in range(4)], 2, 55),
    ([[(7 * i + 5 * j + 3 * i * j) % 11 for j in range(4)] for i in range(4)], 1, 32),
    ([[(7*i*i + 13*j*j + 31*i*j + 5*i + 3*j) % 97 for j in range(8)] for i in range(8)], 4, 2018),
    ([[(7*i*i + 13*j*j + 31*i*j + 5*i + 3*j) % 97 for j in range(8)] for i in range(8)], 2, 1146),
    ([[(37*i + 53*j + 11*i*j + 17) % 101 for j in range(8)] for i in range(8)], 4, 2142)])
def test_worked_examples(service, weights, n, best):
    for constraint in ("exactly", "at_most"):
        document = service.mask(weights, n, len(weights), constraint=constraint).json
        assert document["score"]["kept_magnitude"] == best
        assert document["certificate"]["upper_bound"] == pytest.approx(best, rel=1e-12)


# MARK: n is what is kept, along the axis that was named

def test_n_is_kept(service):
    one = service.mask([[4, 3, 2, 1]], 1, 4, structure="row").json
    assert one["mask"] == [[1, 0, 0, 0]] and one["kept_per_group"] == 1 and one["density"] == 0.25
    three = service.mask([[4, 3, 2, 1]], 3, 4, structure="row").json
    assert three["mask"] == [[1, 1, 1, 0]] and three["kept_per_group"] == 3


def test_axis(service):
    weights = RANDOM.standard_normal((4, 8))
    down = service.mask(weights, 2, 4, structure="column")
    oracle.assert_valid(down.mask, 2, 4, "column")
    assert (down.mask == service.mask(weights.T, 2, 4, structure="row").mask.T).all()
    mask = np.tile([1, 1, 0, 0, 1, 1, 0, 0], (8, 1))
    assert validate(service, mask, structure="row")["valid"]
    found = validate(service, mask, structure="column")
    assert not found["valid"]
    assert found["first_violation"] == {"axis": "column", "row": 0, "column": 0, "kept": 4}


def validate(service, mask, n=2, m=4, **parameters):
    document = {"mask": mask.tolist(), "n": n, "m": m, **parameters}
    return service.json("/v1/masks/validate", document).json


# MARK: Groups and tiles lie in the matrix, not in its memory

@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (12, 8), (4, 64), (64, 4)])
def test_tiles_are_squares_of_the_matrix(service, shape):
    reply = service.mask(RANDOM.standard_normal(shape), 2, 4)
    oracle.assert_valid(reply.mask, 2, 4)


def test_tiles_do_not_see_their_neighbours(service):
    weights = RANDOM.standard_normal((24, 40))
    whole = service.mask(weights, 4, 8).mask
    for i, j in itertools.product(range(0, 24, 8), range(0, 40, 8)):
        alone = service.mask(weights[i:i + 8, j:j + 8], 4, 8).mask
        assert (alone == whole[i:i + 8, j:j + 8]).all()


def test_groups_do_not_straddle_rows(service):
    weights = np.arange(24.0).reshape(4, 6)
    expect_problem(service.mask(weights, 2, 4, structure="row"), 422, "/weights", "6 columns")
    mask = service.mask(weights, 2, 4, structure="row", remainder="dense").mask
    assert (mask.astype(int) == [[0, 0, 1, 1, 1, 1]] * 4).all()


# MARK: Patterns other than m / 2

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_all_ones(service, method, n):
    reply = service.mask(np.ones((4, 4)), n, 4, method=method)
    assert reply.json["kept"] == 4 * n
    oracle.assert_valid(reply.mask, n, 4)


def test_n_equal_to_m_keeps_everything(service):
    for structure in ("transposable", "row", "column"):
        document = service.mask(RANDOM.standard_normal((8, 8)), 4, 4, structure=structure).json
        assert document["kept"] == 64 and document["score"]["retained"] == 1
        assert document["diversity"]["log2"] == 0


def test_patterns_do_not_leak_into_each_other(service):
    weights = RANDOM.standard_normal((16, 16))
    order = [(2, 4), (1, 4), (4, 8), (2, 4), (8, 16), (3, 4), (1, 4)]
    first = {pattern: service.mask(weights, *pattern).body for pattern in order}
    for pattern in reversed(order):
        assert service.mask(weights, *pattern).body == first[pattern]
    one = mask_of(json.loads(first[1, 4]))
    oracle.assert_valid(one, 1, 4)


# MARK: Magnitudes

@pytest.mark.parametrize("numpy_type", ["i1", "<i2", "<i4", "<i8"])
def test_the_most_negative_integer_is_the_largest(service, numpy_type):
    least = np.iinfo(numpy_type).min
    matrix = np.array([[least, least + 1, 1, 2], [1, least + 1, 2, least]], numpy_type)
    reply = service.npy("/v1/masks", matrix, n=1, m=4, structure="row")
    assert reply.mask.tolist() == [[True, False, False, False], [False, False, False, True]]
    assert reply.json["score"]["kept_magnitude"] == 2.0 * -float(least)


@pytest.mark.parametrize("method", ["exact", "greedy"])
@pytest.mark.parametrize("m", [2, 4, 8])
@pytest.mark.parametrize("numpy_type", ["i1", "<i2", "<i4", "<i8"])
def test_the_most_negative_integer_is_the_largest_of_a_tile(service, numpy_type, m, method):
    """Beside it stands one that is larger, but of a magnitude that is less by 1."""
    least = np.iinfo(numpy_type).min
    best = np.eye(m, dtype=bool)[::-1]
    tile = np.where(best, least, least + 1).astype(numpy_type)
    reply = service.npy("/v1/masks", np.hstack([tile, tile]), n=1, m=m, method=method)
    assert (reply.mask == np.hstack([best, best])).all()
    assert reply.json["score"]["kept_magnitude"] == 2 * m * -float(least)


def test_unsigned_bytes(service):
    reply = service.npy(
        "/v1/masks", np.array([[200, 255, 1, 127]], "u1"), n=1, m=4, structure="row")
    assert reply.mask.tolist() == [[False, True, False, False]]


def test_integers_that_float64_cannot_tell_apart(service):
    big = 2**53
    matrix = np.array([[big, big + 1, 0, 0]], "<i8")
    reply = service.npy("/v1/masks", matrix, n=1, m=4, structure="row")
    assert reply.mask.tolist() == [[False, True, False, False]]
    text = '{"n":1,"m":4,"structure":"row","dtype":"I64","weights":[[%d,%d,0,0]]}' % (big, big + 1)
    assert service.json("/v1/masks", text).mask.tolist() == reply.mask.tolist()


@pytest.mark.parametrize("m", [2, 4])
def test_integers_that_float64_cannot_tell_apart_in_a_tile(service, m):
    best = np.eye(m, dtype=bool)[::-1]
    tile = np.where(best, 2**53 + 1, 2**53).astype("<i8")
    assert (service.npy("/v1/masks", tile, n=1, m=m).mask == best).all()


def test_half_precision_sums_do_not_overflow(service):
    matrix = np.full((400, 400), 40_000, "<f2")
    document = service.npy("/v1/masks", matrix, n=2, m=4).json
    assert document["score"]["total_magnitude"] == 160_000 * 40_000.0
    assert document["score"]["kept_magnitude"] == 80_000 * 40_000.0
    assert document["certificate"]["optimal"]


def test_large_values_do_not_overflow(service):
    for value, numpy_type in ((3e38, "<f4"), (1.7e308, "<f8")):
        matrix = np.full((4, 4), value, numpy_type)
        matrix[0, 0] = 0
        reply = service.npy("/v1/masks", matrix, n=1, m=4)
        if value < 1e300:
            oracle.assert_reply(reply.json, reply.mask, matrix)
        else:
            expect_problem(reply, 422, "/weights")


@pytest.mark.parametrize("row, kept", [
    ([1e-42, 3e-42, 2e-42, 0], [0, 1, 1, 0]), ([1e-45, 0, 0, 3e-45], [1, 0, 0, 1])])
def test_subnormals_are_not_zero(service, row, kept):
    matrix = np.array([row], "<f4")
    for reply in (
        service.npy("/v1/masks", matrix, n=2, m=4, structure="row"),
        service.mask([row], 2, 4, structure="row", dtype="F32"),
        service.mask([[x * 1e-280 for x in row]], 2, 4, structure="row"),
    ):
        assert reply.mask.astype(int).tolist() == [kept] or not np.any(np.float64(row) * 1e-280)


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
@pytest.mark.parametrize("numpy_type", ["<f2", "<f4", "<f8"])
def test_subnormal_tiles(service, numpy_type, structure):
    """Multiples of the smallest number of a type are masked and summed up as those of 1."""
    tile = RANDOM.permutation(np.arange(1, 17)).reshape(4, 4)
    plain = service.mask(tile, 2, 4, structure=structure).json["score"]
    smallest = np.finfo(numpy_type).smallest_subnormal
    tiny = service.npy(
        "/v1/masks", (tile * smallest).astype(numpy_type), n=2, m=4, structure=structure)
    assert tiny.json["certificate"]["optimal"]
    assert oracle.score(tiny.mask, tile) == plain["kept_magnitude"]
    for name in ("kept_magnitude", "total_magnitude"):
        assert tiny.json["score"][name] == plain[name] * float(smallest)


@pytest.mark.parametrize("exponent", [-1000, -500, -126, 100, 900])
def test_powers_of_two_change_nothing(service, exponent):
    tile = RANDOM.standard_normal((8, 8))
    scaled = service.mask(np.ldexp(tile, exponent), 4, 8)
    assert (scaled.mask == service.mask(tile, 4, 8).mask).all()


@pytest.mark.parametrize("m", [4, 8])
def test_wide_ranges_end(service, m):
    for _ in range(10):
        tile = RANDOM.standard_normal((m, m)) * 10.0 ** RANDOM.uniform(-30, 30, (m, m))
        for method in ("exact", "min_cost_flow"):
            reply = service.mask(tile, m // 2, m, method=method)
            oracle.assert_reply(reply.json, reply.mask, tile)
        # The linear program is solved to seven digits of the largest entry only.
        document = service.mask(tile, m // 2, m).json
        assert document["certificate"]["optimal"]
        best = oracle.tile_optimum(tile, m // 2)
        assert best * (1 - 1e-6) <= document["score"]["kept_magnitude"]


def test_two_magnitudes_one_rounding_step_apart(service):
    for numpy_type in ("<f2", "<f4", "<f8"):
        step = np.spacing(np.array(1, numpy_type))
        for _ in range(20):
            tile = (1 + step * RANDOM.integers(0, 2, (8, 8))).astype(numpy_type)
            document = service.npy("/v1/masks", tile, n=4, m=8).json
            mask = mask_of(document)
            above = (tile.astype("<f8") - 1) / float(step)
            assert above[mask].sum() == pytest.approx(oracle.tile_optimum(above, 4), abs=1e-6)
            assert document["certificate"]["optimal"]


# MARK: Ties

@pytest.mark.parametrize("side", [8, 64])
@pytest.mark.parametrize("method", METHODS)
def test_ties_are_broken_the_same_way_in_every_form(service, side, method):
    ones = np.ones((side, side))
    masks = {service.npy("/v1/masks", ones.astype(t), n=2, m=4, method=method).mask.tobytes()
             for t in ("<f8", "<f4", "<f2", "i1", "<i8")}
    masks |= {service.mask(ones, 2, 4, method=method).mask.tobytes() for _ in range(2)}
    assert len(masks) == 1


def test_ties_do_not_depend_on_threads(service):
    weights = RANDOM.integers(-3, 4, (256, 512)).astype("i1")
    one = Server("--threads", "1")
    try:
        for parameters in ({"n": 2, "m": 4}, {"n": 4, "m": 8, "constraint": "at_most"},
                           {"n": 1, "m": 4, "structure": "column"}):
            alone = Service(one, service.description).npy("/v1/masks", weights, **parameters)
            assert alone.body == service.npy("/v1/masks", weights, **parameters).body
    finally:
        one.stop()


# MARK: Groups with fewer non-zeros than n

UNDERFILLED = [[0, 0, 0, 7], [0, 0, 3, 7], [0, 0, 0, 0], [-0.0, 0, 1, 0]]


def test_underfilled_groups(service):
    reply = service.mask(UNDERFILLED, 2, 4, structure="row")
    oracle.assert_valid(reply.mask, 2, 4, "row")
    assert np.abs(UNDERFILLED)[reply.mask].sum() == 18
    document = {"weights": UNDERFILLED, "n": 2, "m": 4, "structure": "row"}
    at_most = service.json("/v1/masks/validate", document | {"constraint": "at_most"}).json
    assert at_most == {"valid": True, "groups": 4, "violations": 0, "first_violation": None}
    exactly = service.json("/v1/masks/validate", document).json
    assert exactly["violations"] == 3
    assert exactly["first_violation"] == {"axis": "row", "row": 0, "column": 0, "kept": 1}
