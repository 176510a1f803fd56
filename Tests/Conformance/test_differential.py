# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tiles of every n:m up to 12, against the optimum that HiGHS finds.

NMMASK_HIGHS_TILES says how many; `make differential` takes more than the suite.
"""

import os

import numpy as np
import pytest

import oracle

TILES = int(os.environ.get("NMMASK_HIGHS_TILES", "624"))
LARGEST_M = 12
PATTERNS = [(n, m) for m in range(1, LARGEST_M + 1) for n in range(1, m + 1)]

KINDS = {
    "normal": lambda r, m: r.standard_normal((m, m)),
    "uniform": lambda r, m: r.random((m, m)),
    "lognormal": lambda r, m: np.exp(3 * r.standard_normal((m, m))),
    "int8": lambda r, m: np.round(32 * r.standard_normal((m, m))),
    "int4": lambda r, m: np.clip(np.round(2.5 * r.standard_normal((m, m))), -8, 7),
    "ternary": lambda r, m: r.integers(-1, 2, (m, m)),
    "sparse": lambda r, m: r.standard_normal((m, m)) * (r.random((m, m)) < 0.1),
    "rank1": lambda r, m: np.outer(r.standard_normal(m), r.standard_normal(m)),
    "additive": lambda r, m: np.add.outer(r.random(m), r.random(m)),
    "minimum": lambda r, m: np.minimum.outer(r.random(m), r.random(m)),
    "wide range": lambda r, m: 10 ** r.uniform(-30, 30, (m, m)),
    "adjacent": lambda r, m: np.float32(1) + r.integers(0, 2, (m, m)) * np.float32(2**-23),
}


def complaint(tile, mask, n, constraint):
    """What is wrong with a mask of one tile, or None."""
    m = len(tile)
    oracle.assert_valid(mask, n, m, constraint=constraint)
    score, best = oracle.score(mask, tile), oracle.tile_optimum(tile, n, constraint)
    # HiGHS takes reduced costs within 1e-7 for optimal and lines within 1e-7 for kept, where the
    # largest entry is 1.
    tolerance = 2e-7 * m * float(np.abs(tile).max())
    if abs(score - best) > tolerance:
        return f"exact keeps {score}, HiGHS {best}"
    return None


@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
@pytest.mark.parametrize("kind", KINDS)
def test_exact_keeps_what_highs_keeps(service, kind, constraint):
    cases = len(PATTERNS) * len(KINDS) * 2
    count, every = max(1, TILES // cases), max(1, cases // TILES)
    place = list(KINDS).index(kind)
    for n, m in PATTERNS[place % every::every]:
        seed = [n, m, place]
        random = np.random.default_rng(seed)
        tiles = [KINDS[kind](random, m).astype(np.float32) for _ in range(count)]
        reply = service.npy(
            "/v1/masks", np.concatenate(tiles, axis=1), n=n, m=m, constraint=constraint)
        assert reply.status == 200, reply.body
        for index, tile in enumerate(tiles):
            wrong = complaint(tile, reply.mask[:, index * m:(index + 1) * m], n, constraint)
            assert wrong is None, f"{n}:{m}, seed {seed}, tile {index}: {wrong}\n{tile.tolist()}"


def test_a_worse_mask_is_noticed():
    random = np.random.default_rng(1)
    for n, m in [(1, 2), (2, 4), (4, 8)]:
        tile = random.random((m, m))
        band = (np.subtract.outer(np.arange(m), np.arange(m)) % m) < n
        masks = [np.roll(band, shift, axis=1) for shift in range(m)]
        assert any(complaint(tile, mask, n, "exactly") for mask in masks)
