# SPDX-License-Identifier: GPL-3.0-or-later
"""Transposable masks of 4 x 4 tiles by scoring every pattern (90 for 2:4, 24 for 1:4) with one matrix
product, as training code for 2:4 sparsity does on GPUs (Hu et al., arXiv 2404.01847)."""

import functools
import itertools

import torch

from tiles import join, split

CHUNK = 8192


@functools.cache
def patterns(n, m):
    rows = [row for row in itertools.product((0, 1), repeat=m) if sum(row) == n]
    return torch.tensor(
        [sum(tile, ()) for tile in itertools.product(rows, repeat=m)
         if all(sum(column) == n for column in zip(*tile))], dtype=torch.float32)


def enumerated_masks(weights, n, m):
    every = patterns(n, m)
    scoring, kept = every.T.contiguous(), every.bool()
    tiles = split(torch.from_numpy(weights), m).view(-1, m * m)
    mask = torch.empty(tiles.shape, dtype=torch.bool)
    for start in range(0, len(tiles), CHUNK):
        best = (tiles[start:start + CHUNK].abs() @ scoring).argmax(1)
        torch.index_select(kept, 0, best, out=mask[start:start + CHUNK])
    return join(mask.view(-1, m, m), *weights.shape).numpy()
