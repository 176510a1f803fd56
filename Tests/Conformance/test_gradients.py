# SPDX-License-Identifier: GPL-3.0-or-later
"""`POST /v1/gradients`, against the formulas in numpy."""

import json
import math

import numpy as np
import pytest

from service import NPY, OCTETS, expect_problem, npy_bytes

PATH = "/v1/gradients"
RANDOM = np.random.default_rng(6)


def ask(service, gradients, **parameters):
    gradients = gradients.tolist() if isinstance(gradients, np.ndarray) else gradients
    reply = service.json(PATH, {"gradients": gradients, **parameters})
    assert reply.status == 200, reply.body
    return reply.json


def inclusion_probabilities(group, n):
    """min(1, c |g|) with the sum n: water-filling."""
    magnitudes = np.abs(np.asarray(group, float))
    if np.count_nonzero(magnitudes) <= n:
        return (magnitudes > 0).astype(float)
    saturated = np.zeros(len(magnitudes), bool)
    while True:
        rest = magnitudes[~saturated].sum()
        left = n - saturated.sum()
        fresh = ~saturated & (left * magnitudes >= rest)
        if not fresh.any():
            break
        saturated |= fresh
    return np.where(saturated, 1.0, left * magnitudes / rest)


@pytest.mark.parametrize("n, m, group, variance", [
    (1, 2, [3, -1], 6), (2, 4, [1, 2, 3, 4], 20), (2, 4, [1, 1, 1, 10], 6),
    (2, 4, [.5, -1, 2, 4], 7), (2, 4, [.1, 2, 2, 4], 8.795), (2, 4, [5, 3, -2, 0], 12),
    (4, 8, [1, 2, 4, 4, 8, 16, -3, 5], 108), (2, 8, [1, 1, 2, 3, 5, 8, 13, 21], 744),
    (4, 8, [100, 50, 1, 1, 1, 1, 1, 1], 12), (1, 4, [1, 2, 2, 3], 46)])
def test_worked_examples(service, n, m, group, variance):
    for seed in range(8):
        document = ask(service, [group], n=n, m=m, seed=seed, probabilities=True)
        assert document["variance"] == pytest.approx(variance, rel=1e-12)
        squares = sum(x * x for x in group)
        assert document["relative_variance"] == pytest.approx(variance / squares, rel=1e-12)
        p = inclusion_probabilities(group, n)
        np.testing.assert_allclose(document["probabilities"][0], p, rtol=1e-12)
        check_draw(document, np.array([group]), p[None], n)


def check_draw(document, gradients, probabilities, n):
    """Values are g / p where something is kept, and zero elsewhere."""
    mask = np.array(document["mask"], bool)
    values = np.array(document["values"])
    assert document["kept"] == mask.sum() == np.minimum(n, (gradients != 0).sum(axis=1)).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(mask, gradients / probabilities, 0)
    np.testing.assert_allclose(values, expected, rtol=2e-7)
    assert document["unbiased"] is True


def test_unbiased_over_many_groups(service):
    """The same group 20,000 times: each draws for itself, and the mean is the group."""
    group = np.array([1, 2, 3, 6.0001])
    for method in ("minimum_variance", "sequential"):
        gradients = np.tile(group, (20_000, 1)).astype("<f4")
        reply = service.npy(PATH, gradients, {"Accept": NPY}, n=2, m=4, seed=1, method=method)
        values = reply.npy
        assert values.dtype == np.float32
        values = values.astype(float)
        error = values.std(axis=0) / math.sqrt(len(values))
        assert (np.abs(values.mean(axis=0) - group) <= 4 * error + 1e-6).all()
        variance = ((values - group) ** 2).sum() / len(values)
        summary = json.loads(reply.fields["gradient-summary"])
        assert variance == pytest.approx(summary["variance"] / len(values), rel=0.03)


@pytest.mark.parametrize("axis", ["row", "column"])
@pytest.mark.parametrize("n, m", [(1, 2), (2, 4), (4, 8), (3, 7), (1, 1)])
def test_axes(service, axis, n, m):
    gradients = RANDOM.standard_normal((3 * m, 2 * m))
    document = ask(service, gradients, n=n, m=m, axis=axis, seed=3)
    mask = np.array(document["mask"])
    groups = mask.reshape(-1, m) if axis == "row" else mask.T.reshape(-1, m)
    assert (groups.sum(axis=1) == n).all()
    assert document["axis"] == axis and document["density"] == n / m


def test_transposed_groups_draw_alike(service):
    """Groups are numbered along a row, or down a column."""
    gradients = RANDOM.standard_normal((16, 24))
    along = ask(service, gradients, n=2, m=4, seed=9)
    down = ask(service, gradients.T, n=2, m=4, seed=9, axis="column")
    assert np.array_equal(np.array(along["values"]).T, down["values"])


def test_forms_agree(service):
    gradients = RANDOM.standard_normal((8, 16)).astype("<f4")
    document = ask(service, gradients, n=2, m=4, seed=5)
    values, mask = np.array(document["values"]), np.array(document["mask"], bool)
    for body in (gradients, gradients.astype(">f8"), np.asfortranarray(gradients)):
        reply = service.npy(PATH, body, {"Accept": NPY}, n=2, m=4, seed=5)
        assert np.array_equal(reply.npy, values.astype("<f4"))
        summary = json.loads(reply.fields["gradient-summary"])
        assert summary == {k: v for k, v in document.items() if k not in ("values", "mask")}
    compact = service.npy(PATH, gradients, {"Accept": OCTETS}, n=2, m=4, seed=5).body
    groups = gradients.size // 4
    kept = np.frombuffer(compact[:groups * 8], "<f4").reshape(-1, 2)
    places = np.frombuffer(compact[groups * 8:], "<u2").reshape(-1, 2)
    again = np.zeros((groups, 4), "<f4")
    np.put_along_axis(again, places.astype(int), kept, axis=1)
    assert np.array_equal(again.reshape(8, 16), values.astype("<f4"))
    assert (np.take_along_axis(mask.reshape(-1, 4), places.astype(int), axis=1)).all()


@pytest.mark.parametrize("exponent", [-30, -3, 1, 20])
def test_powers_of_two_scale_bit_for_bit(service, exponent):
    gradients = RANDOM.standard_normal((16, 16)).astype("<f4")
    plain = service.npy(PATH, gradients, {"Accept": NPY}, n=2, m=4, seed=4).npy
    scaled = service.npy(
        PATH, np.ldexp(gradients, exponent).astype("<f4"), {"Accept": NPY}, n=2, m=4, seed=4).npy
    assert np.array_equal(scaled, np.ldexp(plain, exponent))


@pytest.mark.parametrize("exponent", [-1074, -1060, -1022, 100])
@pytest.mark.parametrize("method, n", [
    ("minimum_variance", 1), ("minimum_variance", 2), ("minimum_variance", 3), ("sequential", 1),
    ("sequential", 2)])
def test_powers_of_two_change_no_draw(service, method, n, exponent):
    """Also where float64 has few bits left, and float32 has none for what is kept."""
    groups = np.array([[1, 2, 3, 4], [7, 1, 1, 1], [0, 5, 2, 1], [1, 0, 0, 9], [0, 0, 0, 3]])
    options = {"n": n, "m": 4, "method": method, "seed": 8, "probabilities": True}
    plain = ask(service, groups, **options)
    scaled = ask(service, np.ldexp(groups.astype(float), exponent), **options)
    for name in ("mask", "probabilities"):
        assert scaled[name] == plain[name]


@pytest.mark.parametrize("group, values", [
    ([0, 0, 0, 0], [0, 0, 0, 0]), ([3, 0, 0, 0], [3, 0, 0, 0]), ([1e-42, 0, 0, 0], None),
    ([1e8, 1e-3, 1e-3, 1e-3], None), ([1e-9, 2e-9, 3e-9, 4e-9], None),
    ([1e-42, 2e-42, 3e-42, 1e-42], None)])
def test_hard_groups(service, group, values):
    gradients = np.array([group], "<f4")
    document = ask(service, gradients.astype(float), n=2, m=4, seed=2, dtype="F32")
    found = np.array(document["values"][0])
    assert np.isfinite(found).all() and math.isfinite(document["variance"])
    if values is not None:
        assert found.tolist() == values and document["variance"] == 0


def test_estimates_that_overflow(service):
    reply = service.npy(PATH, np.full((1, 4), 3e38, "<f4"), n=1, m=4, seed=1)
    expect_problem(reply, 422)


# MARK: Seeds

@pytest.mark.parametrize("seed", [0, 1, 2**53, "9007199254740993", str(2**64 - 1), 2**64 - 1])
def test_seeds_are_returned(service, seed):
    document = ask(service, [[1, 2, 3, 4]], n=2, m=4, seed=seed)
    assert int(document["seed"]) == int(seed)
    assert isinstance(document["seed"], str) == (int(seed) > 2**53)
    again = ask(service, [[1, 2, 3, 4]], n=2, m=4, seed=document["seed"])
    assert again == document


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "x", "", "-1", True, None, "18446744073709551616"])
def test_seeds_that_are_none(service, seed):
    reply = service.json(PATH, {"gradients": [[1, 2]], "n": 1, "m": 2, "seed": seed})
    expect_problem(reply, 422, "/seed")


def test_a_seed_is_drawn(service):
    gradients = RANDOM.standard_normal((4, 64))
    drawn = [ask(service, gradients, n=2, m=4) for _ in range(3)]
    assert len({str(document["seed"]) for document in drawn}) == 3
    for document in drawn:
        assert ask(service, gradients, n=2, m=4, seed=document["seed"]) == document


def test_seeds_tensors_and_places_draw_apart(service):
    gradients = np.ones((32, 64))
    draws = [ask(service, gradients, n=2, m=4, **which) for which in (
        {"seed": 1}, {"seed": 2}, {"seed": 1, "tensor": "a"}, {"seed": 1, "tensor": "b"})]
    masks = [json.dumps(document["mask"]) for document in draws]
    assert len(set(masks)) == 4
    groups = np.array(draws[0]["mask"]).reshape(-1, 4)
    assert len(np.unique(groups, axis=0)) > 1


# MARK: Methods

def test_greedy_is_said_to_be_biased(service):
    document = ask(service, [[1, -2, 3, 4]], n=2, m=4, method="greedy")
    assert document["values"] == [[0, 0, 3, 4]] and document["unbiased"] is False
    assert document["variance"] == 0 and document["squared_bias"] == 5


def test_sequential_rule(service):
    document = ask(service, [[1, 2, 3, 4]], n=2, m=4, method="sequential", probabilities=True)
    np.testing.assert_allclose(
        document["probabilities"][0], [.2345238095, .4412698413, .6083333333, .7158730159], rtol=1e-9)
    assert document["variance"] == pytest.approx(20.47356073, rel=1e-9)


@pytest.mark.parametrize("sparsity", [0, 0.5, 0.8, 0.95])
def test_stochastic_threshold(service, sparsity):
    gradients = RANDOM.lognormal(0, 1, (256, 256)) * RANDOM.choice([-1, 1], (256, 256))
    document = ask(
        service, gradients, method="stochastic_threshold", sparsity=sparsity, seed=1)
    assert document["achieved_sparsity"] == pytest.approx(sparsity, abs=0.01)
    logs = np.log(np.abs(gradients))
    assert document["lognormal"]["mean"] == pytest.approx(logs.mean(), abs=1e-9)
    assert document["lognormal"]["deviation"] == pytest.approx(logs.std(), rel=1e-4)
    values = np.array(document["values"])
    threshold = document["threshold"]
    large = np.abs(gradients) > threshold
    np.testing.assert_allclose(values[large], gradients[large], rtol=1e-6)
    small = np.abs(values[~large])
    assert np.isclose(small[small > 0], threshold, rtol=1e-6).all()
    published = {0.5: 2.4007911856, 0.8: 7.8222652308, 0.95: 32.922831564}
    if sparsity in published:
        assert threshold == pytest.approx(published[sparsity], rel=0.05)


def test_stochastic_threshold_has_no_compact_form(service):
    reply = service.npy(
        PATH, np.ones((2, 4)), {"Accept": OCTETS}, method="stochastic_threshold", sparsity=0.5)
    expect_problem(reply, 406)


@pytest.mark.parametrize("parameters, pointer", [
    ({"n": 3, "method": "sequential"}, "/n"), ({"n": 0}, "/n"), ({"n": 5}, "/n"), ({"m": 0}, "/m"),
    ({"m": 1025, "n": 1}, "/m"), ({"axis": "rows"}, "/axis"), ({"method": "exact"}, "/method"),
    ({"probabilities": 1}, "/probabilities"), ({"tensor": 3}, "/tensor"),
    ({"dtype": "F8"}, "/dtype"), ({"sparsity": 0.5}, "/sparsity"), ({"m": 3}, "/gradients"),
    ({"axis": "column"}, "/gradients"), ({"gradients": [[1, 2], [3]]}, "/gradients"),
    ({"gradients": [1, 2, 3, 4]}, "/gradients"), ({"method": "stochastic_threshold"}, "/n")])
def test_refusals(service, parameters, pointer):
    document = {"gradients": [[1, 2, 3, 4]], "n": 2, "m": 4, "seed": 1} | parameters
    problem = expect_problem(service.json(PATH, document), 422)
    assert problem["pointer"].startswith(pointer), problem


@pytest.mark.parametrize("sparsity", [-0.1, 1, 2, "0.5", None])
def test_sparsities_that_are_none(service, sparsity):
    document = {"gradients": [[1, 2]], "method": "stochastic_threshold", "sparsity": sparsity}
    expect_problem(service.json(PATH, document), 422, "/sparsity")


@pytest.mark.parametrize("text", ["nan", "inf", "0x1p-1", "0X0.8", "", " 0.5", "0,5", "1e-999999x"])
def test_numbers_of_the_query_that_are_none(service, text):
    """Of what strtod takes, only decimals are numbers."""
    gradients = np.array([[1, 2]], "<f4")
    taken = service.npy(PATH, gradients, method="stochastic_threshold", sparsity="5e-1")
    assert taken.status == 200
    reply = service.npy(PATH, gradients, method="stochastic_threshold", sparsity=text)
    expect_problem(reply, 422, "/sparsity", "must be a number")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(service, value):
    gradients = np.ones((4, 8), "<f4")
    gradients[2, 5] = value
    for axis in ("row", "column"):
        reply = service.npy(PATH, gradients, n=2, m=4, axis=axis)
        expect_problem(reply, 422, "/gradients/2/5")


def test_names(service):
    document = {"gradients": [[1, 2]], "n": 1, "m": 2, "constraint": "exactly"}
    expect_problem(service.json(PATH, document), 400, "/constraint")
    expect_problem(service.send("POST", f"{PATH}?n=1&m=2&seeed=1", npy_bytes(np.ones((1, 2)))), 400)


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0)])
def test_empty(service, shape):
    document = service.npy(PATH, np.ones(shape), n=2, m=4, seed=1).json
    assert document["density"] is None and document["variance"] == 0
