# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of masks that share no code with the service: numpy, and HiGHS by way of scipy."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array


def kept_counts(mask, m, structure):
    """What each whole group keeps, for each direction that the structure has."""
    rows, columns = mask.shape
    counts = []
    if structure in ("transposable", "row"):
        height = rows // m * m if structure == "transposable" else rows
        whole = mask[:height, : columns // m * m]
        counts.append(whole.reshape(height, -1, m).sum(axis=2))
    if structure in ("transposable", "column"):
        width = columns // m * m if structure == "transposable" else columns
        whole = mask[: rows // m * m, :width]
        counts.append(whole.reshape(-1, m, width).sum(axis=1))
    return counts


def assert_valid(mask, n, m, structure="transposable", constraint="exactly"):
    for counts in kept_counts(mask, m, structure):
        worst = counts.max(initial=0), counts.min(initial=n)
        assert worst[0] <= n, f"a group keeps {worst[0]} > {n}"
        if constraint == "exactly":
            assert worst[1] == n, f"a group keeps {worst[1]} < {n}"


def score(mask, weights):
    return float(np.abs(weights.astype(np.float64))[mask].sum())


def tile_optimum(tile, n, constraint="exactly"):
    """The largest magnitude that a transposable mask of one tile keeps, by linear programming.

    The matrix of the constraints is totally unimodular, so the optimum is that of 0/1 masks.
    """
    m = tile.shape[0]
    scale = float(np.abs(tile).max()) or 1.0
    entries = np.arange(m * m)
    lines = np.concatenate([entries // m, m + entries % m])
    matrix = coo_array((np.ones(2 * m * m), (lines, np.tile(entries, 2))), shape=(2 * m, m * m))
    bound = np.full(2 * m, float(n))
    equality = constraint == "exactly"
    result = linprog(
        -np.abs(tile.astype(np.float64)).ravel() / scale,
        A_eq=matrix if equality else None, b_eq=bound if equality else None,
        A_ub=None if equality else matrix, b_ub=None if equality else bound,
        bounds=(0, 1), method="highs")
    assert result.status == 0, result.message
    return -result.fun * scale


def assert_reply(document, mask, weights):
    """Checks a whole reply about `weights` against the mask in it."""
    n, m = document["n"], document["m"]
    assert document["shape"] == list(weights.shape) == list(mask.shape)
    assert document["kept_per_group"] == n
    assert document["kept"] == int(mask.sum())
    assert document["density"] == (mask.mean() if mask.size else None)
    assert_valid(mask, n, m, document["structure"], document["constraint"])
    total = float(np.abs(weights.astype(np.float64)).sum())
    kept = score(mask, weights)
    figures = document["score"]
    close = dict(rtol=1e-12, atol=0)
    np.testing.assert_allclose(figures["kept_magnitude"], kept, **close)
    np.testing.assert_allclose(figures["total_magnitude"], total, **close)
    np.testing.assert_allclose(figures["retained"], kept / total if total else 1, **close)
    certificate = document["certificate"]
    if certificate is not None:
        bound, gap = certificate["upper_bound"], certificate["relative_gap"]
        assert bound >= figures["kept_magnitude"]
        expected = (bound - figures["kept_magnitude"]) / bound if bound else 0
        assert abs(gap - expected) <= 1e-15
        assert certificate["optimal"] == (gap <= 1e-12)
