# SPDX-License-Identifier: GPL-3.0-or-later
"""Transposable masks by entropic optimal transport, as TSENOR finds them.

Meng, Makni, Mazumder, "TSENOR: Highly-efficient algorithm for finding transposable N:M sparse
masks", arXiv 2505.23949: maximise <S, |W|> + H(S) / tau over the matrices with row and column sums n
and entries in [0, 1], by Dykstra's projections; round by descending S; mend by swaps. Written from
the description of the algorithm, in eager PyTorch, many tiles at once.
"""

import dataclasses

import torch

from tiles import join, split


@dataclasses.dataclass(frozen=True)
class Setting:
    """tau = sharpness / max|W|; `log` keeps log S, which no sharpness underflows."""
    name: str
    sharpness: float
    iterations: int
    log: bool
    swaps: int = 10


SETTINGS = [
    Setting("A", sharpness=200, iterations=300, log=True),
    Setting("B", sharpness=50, iterations=100, log=False),
    Setting("C", sharpness=20, iterations=50, log=False),
]
# Dykstra's chunks: larger ones leave the cache, smaller ones pay for PyTorch's calls.
CHUNK = 1 << 17


def entropic_masks(weights, n, m, setting):
    tiles = split(torch.from_numpy(weights).abs(), m)
    tau = setting.sharpness / tiles.max()
    dykstra = dykstra_log if setting.log else dykstra_exp
    plan = torch.cat([
        dykstra(chunk * tau, n, setting.iterations)
        for chunk in tiles.split(max(1, CHUNK // (m * m)))])
    kept = round_greedily(plan, n)
    mend(kept, tiles, n, setting.swaps)
    return join(kept, *weights.shape).numpy()


def dykstra_exp(scaled, n, iterations):
    plan = scaled.exp_()
    correction = torch.ones_like(plan)
    for _ in range(iterations):
        plan.mul_(n / plan.sum(2, keepdim=True))
        plan.mul_(n / plan.sum(1, keepdim=True))
        # The cap is an inequality, so its projection carries Dykstra's correction.
        uncapped = plan.mul_(correction)
        plan = uncapped.clamp(max=1)
        correction = uncapped.div_(plan)
    return plan


def dykstra_log(plan, n, iterations):
    total = torch.tensor(float(n)).log()
    correction = torch.zeros_like(plan)
    for _ in range(iterations):
        plan.add_(total - plan.logsumexp(2, keepdim=True))
        plan.add_(total - plan.logsumexp(1, keepdim=True))
        uncapped = plan.add_(correction)
        plan = uncapped.clamp(max=0)
        correction = uncapped.sub_(plan)
    return plan


def round_greedily(plan, n):
    """Largest first, kept while row and column have room."""
    count, m, _ = plan.shape
    order = plan.view(count, -1).argsort(1, descending=True).T
    tile = torch.arange(count)
    # What a step takes of each tile: an entry, its row and its column, as places in flat tensors.
    steps = zip(tile * m * m + order, tile * m + order // m, tile * m + order % m)
    kept = torch.zeros(count * m * m, dtype=torch.bool)
    rows = torch.zeros(count * m, dtype=torch.uint8)
    columns = torch.zeros(count * m, dtype=torch.uint8)
    for entry, row, column in steps:
        in_row, in_column = rows[row], columns[column]
        fits = (in_row < n) & (in_column < n)
        kept[entry] = fits
        rows[row] = in_row + fits
        columns[column] = in_column + fits
    return kept.view(count, m, m)


def mend(kept, weights, n, swaps):
    """Fills the first short row i and column j of a tile, again and again: keeps (i, b) and (a, j) in
    the place of (a, b), where that gains most, if it gains. Greedy rounding has kept (i, j) itself."""
    open_tiles = (kept.sum(2) < n).any(1).nonzero().flatten()
    for _ in range(swaps):
        if len(open_tiles) == 0:
            return
        k, w = kept[open_tiles], weights[open_tiles]
        tile = torch.arange(len(open_tiles))
        i = (k.sum(2) < n).int().argmax(1)
        j = (k.sum(1) < n).int().argmax(1)
        gain = w[tile, i].unsqueeze(1) + w[tile, :, j].unsqueeze(2) - w
        allowed = k & ~k[tile, i].unsqueeze(1) & ~k[tile, :, j].unsqueeze(2)
        gain.masked_fill_(~allowed, -torch.inf)
        best, at = gain.flatten(1).max(1)
        a, b = at // w.shape[1], at % w.shape[1]
        swap = best > 0
        tile, i, j, a, b = tile[swap], i[swap], j[swap], a[swap], b[swap]
        k[tile, i, b] = True
        k[tile, a, j] = True
        k[tile, a, b] = False
        kept[open_tiles] = k
        open_tiles = open_tiles[swap & (k.sum(2) < n).any(1)]
