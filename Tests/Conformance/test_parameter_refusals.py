# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters and matrices that are refused, and the words for it."""

import math

import numpy as np
import pytest

from service import expect_problem, query

SQUARE = [[1, 2, 3, 4]] * 4


@pytest.mark.parametrize("n, pointer", [(0, "/n"), (-1, "/n"), (5, "/n"), (-2**63, "/n")])
def test_n_out_of_range(service, n, pointer):
    expect_problem(service.mask(SQUARE, n, 4), 422, pointer, n)


@pytest.mark.parametrize("m", [0, -1, -2**63])
def test_m_too_small(service, m):
    expect_problem(service.mask(SQUARE, 1, m), 422, "/m", m)


@pytest.mark.parametrize("structure, limit", [("transposable", 64), ("row", 1024), ("column", 1024)])
def test_m_too_large(service, structure, limit):
    weights = np.ones((limit, limit))
    assert service.npy("/v1/masks", weights, n=1, m=limit, structure=structure).status == 200
    for m in (limit + 1, 1_000_003, 2**63 - 1):
        reply = service.mask(SQUARE, 1, m, structure=structure)
        expect_problem(reply, 422, "/m", limit, m)


@pytest.mark.parametrize("name", ["n", "m"])
@pytest.mark.parametrize("value", ["2", 2.5, None, True, [2], {"a": 2}, 1e300, 2**64, -2**70, ""])
def test_numbers_of_the_wrong_kind(service, name, value):
    document = {"n": 2, "m": 4, "weights": SQUARE} | {name: value}
    expect_problem(service.json("/v1/masks", document), 422, f"/{name}", name)


@pytest.mark.parametrize("name", ["n", "m"])
@pytest.mark.parametrize("value", ["", "2.0", "+2", " 2", "0x2", "2e0", "9223372036854775808", "٢"])
def test_numbers_of_the_wrong_kind_in_the_query(service, name, value):
    parameters = {"n": 2, "m": 4, "rows": 4, "columns": 4, "dtype": "I8"} | {name: value}
    target = "/v1/masks" + query(parameters).replace("+", "%2B").replace(" ", "%20")
    expect_problem(service.send("POST", target, bytes(16)), 422, f"/{name}", name)


@pytest.mark.parametrize("name", ["n", "m", "weights"])
def test_missing(service, name):
    document = {"n": 2, "m": 4, "weights": SQUARE}
    del document[name]
    expect_problem(service.json("/v1/masks", document), 422, f"/{name}", "required", name)


@pytest.mark.parametrize("name, value", [
    ("structure", "transpose"), ("structure", ""), ("structure", "Row"), ("structure", None),
    ("constraint", "at-most"), ("constraint", 1), ("method", "fast"), ("method", ["exact"]),
    ("remainder", "pad"), ("remainder", False), ("mask_encoding", "base64"), ("dtype", "float32"),
    ("dtype", "f4"), ("dtype", "BOOL"), ("timeout_ms", 0), ("timeout_ms", "5")])
def test_choices(service, name, value):
    problem = expect_problem(
        service.mask(SQUARE, 2, 4, **{name: value}), 422, f"/{name}", name)
    if name not in ("timeout_ms",):
        assert "one of" in problem["detail"]


@pytest.mark.parametrize("method", ["min_cost_flow", "greedy", "two_approximation"])
@pytest.mark.parametrize("structure", ["row", "column"])
def test_methods_of_other_structures(service, method, structure):
    reply = service.mask(SQUARE, 2, 4, method=method, structure=structure)
    expect_problem(reply, 422, "/method", method)


@pytest.mark.parametrize("shape, structure, side", [
    ((6, 8), "transposable", "6 rows"), ((8, 6), "transposable", "6 columns"),
    ((4, 6), "row", "6 columns"), ((6, 4), "column", "6 rows"), ((4, 2), "row", "2 columns")])
def test_sides_that_m_does_not_divide(service, shape, structure, side):
    matrix = np.arange(float(math.prod(shape))).reshape(shape)
    for reply in (
        service.mask(matrix, 2, 4, structure=structure),
        service.npy("/v1/masks", matrix, n=2, m=4, structure=structure),
    ):
        expect_problem(reply, 422, "/weights", side, "m = 4")


@pytest.mark.parametrize("shape, structure", [((3, 4), "row"), ((4, 3), "column")])
def test_sides_that_need_not_be_divided(service, shape, structure):
    assert service.mask(np.ones(shape), 2, 4, structure=structure).status == 200


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
@pytest.mark.parametrize("shape", [(6, 11), (3, 3), (9, 4), (1, 1), (4, 5)])
def test_dense_remainder(service, shape, structure):
    matrix = np.random.default_rng(3).standard_normal(shape)
    reply = service.mask(matrix, 2, 4, structure=structure, remainder="dense")
    document, mask = reply.json, reply.mask
    assert document["remainder"] == "dense"
    rows = shape[0] if structure == "row" else shape[0] // 4 * 4
    columns = shape[1] if structure == "column" else shape[1] // 4 * 4
    assert mask[rows:].all() and mask[:, columns:].all()
    assert document["kept"] == mask.sum() and document["density"] == mask.mean()
    assert document["kept"] == rows * columns // 2 + matrix.size - rows * columns
    kept = np.abs(matrix)[mask].sum()
    assert document["score"]["kept_magnitude"] == pytest.approx(kept, rel=1e-12)
    assert document["certificate"]["upper_bound"] == pytest.approx(kept, rel=1e-12)


# MARK: Values

@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan", "NaN.2e2", "1.", ".5", "+1",
                                  "01", "0x10", "1e", "--1", "1_000", "1,", "", "'1'", "True"])
def test_words_that_are_not_json(service, word):
    reply = service.json("/v1/masks", '{"n":2,"m":4,"weights":[[1,2,3,%s]]}' % word)
    expect_problem(reply, 400, None, "byte 3")


@pytest.mark.parametrize("dtype, number", [
    ("F64", "1e999"), ("F64", "-1e309"), ("F32", "1e39"), ("F16", "65520"), ("BF16", "3.4e38"),
    ("I8", "128"), ("I8", "-129"), ("U8", "256"), ("U8", "-1"), ("I16", "40000"),
    ("I32", "2147483648"), ("I64", "9223372036854775808"), ("I8", "0.5"), ("I64", "1e-1")])
def test_numbers_outside_their_type(service, dtype, number):
    text = '{"n":1,"m":2,"dtype":"%s","weights":[[1,1],[1,%s]]}' % (dtype, number)
    problem = expect_problem(service.json("/v1/masks", text), 422, None, dtype)
    assert problem["pointer"] == "/weights/1/1"


@pytest.mark.parametrize("dtype, number", [
    ("F64", "1e-400"), ("F32", "1e-60"), ("F16", "65519"), ("I64", "-9223372036854775808"),
    ("I8", "-128"), ("U8", "255"), ("I8", "1e2"), ("I8", "1.0")])
def test_numbers_at_the_edge_of_their_type(service, dtype, number):
    text = '{"n":1,"m":2,"dtype":"%s","weights":[[1,1],[1,%s]]}' % (dtype, number)
    assert service.json("/v1/masks", text).status == 200


@pytest.mark.parametrize("numpy_type", ["<f2", "<f4", "<f8", ">f8"])
@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
def test_the_first_value_that_is_not_finite(service, numpy_type, value, structure):
    matrix = np.ones((64, 2048))
    matrix[9, 17] = value
    matrix[9, 18] = matrix[50, 0] = math.nan
    reply = service.npy(
        "/v1/masks", matrix.astype(numpy_type), n=2, m=4, structure=structure)
    expect_problem(reply, 422, "/weights/9/17", "row 9", "column 17")


@pytest.mark.parametrize("order", ["C", "F"])
def test_not_finite_in_either_order(service, order):
    matrix = np.ones((8, 12), order=order)
    matrix[3, 7] = matrix[5, 2] = np.nan
    expect_problem(service.npy("/v1/masks", matrix, n=2, m=4), 422, "/weights/3/7")


@pytest.mark.parametrize("row", [[1, 3, math.nan, 2], [2, math.nan, 1, 4], [math.nan] * 3 + [1]])
def test_not_finite_wherever_it_stands(service, row):
    index = next(i for i, x in enumerate(row) if math.isnan(x))
    reply = service.npy("/v1/masks", np.array([row], "<f4"), n=2, m=4, structure="row")
    expect_problem(reply, 422, f"/weights/0/{index}")


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
def test_not_finite_in_a_later_band(service, structure):
    """A band has 65,536 entries here, and each is looked through by itself."""
    matrix = np.ones((64, 4096), "<f4")
    matrix[41, 7] = matrix[50, 2] = np.nan
    expect_problem(
        service.npy("/v1/masks", matrix, n=2, m=4, structure=structure), 422, "/weights/41/7")


def test_not_finite_in_the_remainder(service):
    matrix = np.ones((5, 5))
    matrix[4, 4] = np.inf
    reply = service.npy("/v1/masks", matrix, n=2, m=4, remainder="dense")
    expect_problem(reply, 422, "/weights/4/4")


# MARK: Shapes

@pytest.mark.parametrize("weights, words", [
    ([[1, 2, 3, 4], [5, 6, 7]], ("row 1", "3", "4")), ([[1, 2], [3, 4, 5]], ("row 1", "3", "2")),
    ([[1, 2], [3, [4]]], ("/1/1",)), ([[1, 2], 3], ("/1",)), ([[1, 2], []], ("row 1", "0")),
    ([[], [1]], ("row 1",)), ([[1, "2"]], ("/0/1", "string")), ([["1", 2]], ()),
    ([[1, None]], ("/0/1", "null")), ([[1, True]], ("/0/1",)), ([[1, {}]], ("/0/1",)),
    ([[True, False]], ("boolean",))])
def test_arrays_that_are_no_matrix(service, weights, words):
    problem = expect_problem(service.mask(weights, 1, 1), 422, None, *words)
    assert problem["pointer"].startswith("/weights")


@pytest.mark.parametrize("weights", [
    [1, 2, 3, 4], [[[1, 2], [3, 4]]], 7, "12", None, True, {"a": [1]}, [[[]]], [None], ["a"], [{}]])
def test_other_dimensions(service, weights):
    problem = expect_problem(service.mask(weights, 1, 1), 422)
    assert problem["pointer"].startswith("/weights")


@pytest.mark.parametrize("shape", [(), (4,), (1, 4, 4), (1, 1, 4, 4)])
def test_other_dimensions_of_npy(service, shape):
    reply = service.npy("/v1/masks", np.ones(shape), n=1, m=1)
    expect_problem(reply, 422, "/weights", "2 dimensions", len(shape))


@pytest.mark.parametrize("shape", [(0, 0), (0, 8), (8, 0)])
@pytest.mark.parametrize("structure, method", [
    ("transposable", "exact"), ("transposable", "greedy"), ("transposable", "min_cost_flow"),
    ("row", "exact"), ("column", "exact")])
def test_empty_matrices(service, shape, structure, method):
    reply = service.npy(
        "/v1/masks", np.ones(shape), n=2, m=4, structure=structure, method=method)
    document = reply.json
    assert document["shape"] == list(shape)
    assert document["density"] is None and document["kept"] == 0
    assert document["score"] == {"kept_magnitude": 0, "total_magnitude": 0, "retained": 1}
    if method != "greedy":
        assert document["certificate"] == {"upper_bound": 0, "relative_gap": 0, "optimal": True}
    assert reply.mask.shape == shape


def test_empty_matrices_of_json(service):
    assert service.mask([], 2, 4).json["mask"] == []
    assert service.mask([[], [], [], []], 2, 4).json["mask"] == [[], [], [], []]
    expect_problem(service.mask([[], []], 2, 4), 422, "/weights", "2 rows")


@pytest.mark.parametrize("method", ["exact", "min_cost_flow", "greedy", "two_approximation"])
@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
def test_all_zero(service, method, constraint):
    document = service.mask(
        np.zeros((8, 8)), 2, 4, method=method, constraint=constraint).json
    assert document["score"] == {"kept_magnitude": 0, "total_magnitude": 0, "retained": 1}
    if document["certificate"]:
        assert document["certificate"]["relative_gap"] == 0
    if constraint == "exactly":
        assert document["kept"] == 32


def test_parameters_come_before_the_shape_and_the_shape_before_values(service):
    broken = np.full((3, 3), np.nan)
    expect_problem(service.npy("/v1/masks", broken, n=9, m=4), 422, "/n")
    expect_problem(service.npy("/v1/masks", broken, n=2, m=4), 422, "/weights")
    square = np.full((4, 4), np.nan)
    expect_problem(service.npy("/v1/masks", square, n=2, m=4), 422, "/weights/0/0")
