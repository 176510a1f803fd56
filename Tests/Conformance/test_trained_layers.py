# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks of trained weights, checked by numpy and by linear programming."""

import os

import numpy as np
import pytest

import oracle
from service import NPY, unpack

PATTERNS = [(2, 4), (4, 8), (8, 16), (16, 32)]


def solve(service, weights, n, m, **parameters):
    reply = service.npy("/v1/masks", weights, n=n, m=m, **parameters)
    assert reply.status == 200, reply.body
    document = reply.json
    mask = reply.mask
    oracle.assert_reply(document, mask, weights)
    return document, mask


def check_layer(service, weights, n, m, constraint="exactly"):
    """All methods on one layer."""
    found = {
        method: solve(service, weights, n, m, method=method, constraint=constraint)
        for method in ("exact", "min_cost_flow", "greedy", "two_approximation")}
    score = {name: document["score"]["kept_magnitude"] for name, (document, _) in found.items()}
    best = score["exact"]
    certificate = found["exact"][0]["certificate"]
    assert certificate["optimal"] and certificate["relative_gap"] <= 1e-12
    assert score["min_cost_flow"] == pytest.approx(best, rel=1e-9)
    assert found["min_cost_flow"][0]["certificate"]["upper_bound"] >= best * (1 - 1e-12)
    for method in ("greedy", "two_approximation"):
        assert found[method][0]["certificate"] is None
        assert score[method] <= best * (1 + 1e-12)
    assert score["greedy"] >= 0.95 * best
    return found


@pytest.mark.parametrize("n, m", PATTERNS)
def test_methods_agree_on_a_trained_layer(service, layer, n, m):
    # GLPK takes seconds for the whole layer in large tiles.
    found = check_layer(service, layer if m < 16 else layer[:128, :256], n, m)
    _, mask = found["exact"]
    assert mask.mean() == n / m


@pytest.mark.parametrize("n, m", PATTERNS)
def test_exact_is_proved_on_the_whole_layer(service, layer, n, m):
    document, mask = solve(service, layer, n, m)
    assert document["certificate"]["optimal"]
    greedy, _ = solve(service, layer, n, m, method="greedy")
    ratio = greedy["score"]["kept_magnitude"] / document["score"]["kept_magnitude"]
    assert 0.95 <= ratio <= 1


@pytest.mark.parametrize("n, m", [(2, 4), (4, 8)])
def test_methods_agree_under_at_most(service, layer, n, m):
    part = layer[:96, :192]
    at_most = check_layer(service, part, n, m, "at_most")
    exactly, _ = solve(service, part, n, m)
    gain = at_most["exact"][0]["score"]["kept_magnitude"] - exactly["score"]["kept_magnitude"]
    assert gain > 0  # Some tiles of real weights do gain.


@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
@pytest.mark.parametrize("n, m, samples", [(2, 4, 40), (4, 8, 30), (8, 16, 16), (16, 32, 6)])
def test_tiles_reach_the_linear_optimum(service, layer, n, m, samples, constraint):
    _, mask = solve(service, layer, n, m, constraint=constraint)
    random = np.random.default_rng(m)
    for _ in range(samples):
        i, j = random.integers(0, layer.shape[0] // m, 2) * m
        tile, kept = layer[i:i + m, j:j + m], mask[i:i + m, j:j + m]
        assert oracle.score(kept, tile) == pytest.approx(
            oracle.tile_optimum(tile, n, constraint), rel=1e-9), (i, j)


@pytest.mark.parametrize("structure", ["row", "column"])
@pytest.mark.parametrize("n, m", [(1, 2), (2, 4), (1, 4), (8, 16), (64, 128)])
def test_groups_keep_their_largest(service, layer, structure, n, m):
    document, mask = solve(service, layer, n, m, structure=structure)
    weights = np.abs(layer if structure == "row" else layer.T).astype(np.float64)
    groups = np.sort(weights.reshape(-1, m), axis=1)
    best = groups[:, m - n:].sum()
    assert document["score"]["kept_magnitude"] == pytest.approx(best, rel=1e-12)
    assert document["certificate"]["optimal"]


def test_transpose_keeps_as_much(service, layer):
    upright, _ = solve(service, layer, 4, 8)
    flat, mask = solve(service, np.ascontiguousarray(layer.T), 4, 8)
    assert flat["score"]["kept_magnitude"] == pytest.approx(
        upright["score"]["kept_magnitude"], rel=1e-12)
    oracle.assert_valid(mask.T, 4, 8)


@pytest.mark.parametrize("n, m", PATTERNS)
def test_large_layer(service, n, m):
    path = os.environ.get("NMMASK_LARGE_LAYER")
    if not path:
        pytest.skip("NMMASK_LARGE_LAYER names no file")
    weights = np.load(path)
    document, _ = solve(service, weights, n, m)
    assert document["certificate"]["optimal"]
    check_layer(service, weights if m < 16 else weights[:256, :128], n, m)


def test_large_matrix_is_answered_in_seconds(service):
    weights = np.random.default_rng(1).standard_normal((4096, 4096), dtype=np.float32)
    reply = service.npy("/v1/masks", weights, {"Accept": "application/octet-stream"}, n=2, m=4)
    assert reply.status == 200
    oracle.assert_valid(unpack(reply.body, weights.shape), 2, 4)
    assert service.npy("/v1/masks", weights[:64], {"Accept": NPY}, n=2, m=4).npy.shape == (64, 4096)
