# SPDX-License-Identifier: GPL-3.0-or-later
"""Transposable masks by OR-Tools' min-cost flow, one tile or many tiles in a graph."""

import numpy
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from tiles import join, split

SCALE = 2.0 ** 30


def flow_masks(weights, n, m, tiles_per_graph=1):
    tiles = numpy.rint(split(numpy.abs(weights), m) * SCALE).astype(numpy.int64)
    mask = numpy.empty(tiles.shape, dtype=bool)
    tails, heads, supplies = graph(n, m, tiles_per_graph)
    capacities = numpy.ones(len(tails), dtype=numpy.int64)
    nodes = numpy.arange(len(supplies))
    for start in range(0, len(tiles), tiles_per_graph):
        costs = -tiles[start:start + tiles_per_graph].reshape(-1)
        # The last graph may hold fewer tiles.
        size, vertices = len(costs), len(costs) // (m * m) * 2 * m
        flow = SimpleMinCostFlow()
        arcs = flow.add_arcs_with_capacity_and_unit_cost(
            tails[:size], heads[:size], capacities[:size], costs)
        flow.set_nodes_supplies(nodes[:vertices], supplies[:vertices])
        if flow.solve() != flow.OPTIMAL:
            raise RuntimeError("a tile was not solved")
        mask[start:start + tiles_per_graph] = flow.flows(arcs).reshape(-1, m, m) > 0
    return join(mask, *weights.shape)


def graph(n, m, count):
    tile, row, column = numpy.ogrid[:count, :m, :m]
    shape = (count, m, m)
    tails = numpy.broadcast_to(2 * m * tile + row, shape).reshape(-1)
    heads = numpy.broadcast_to(2 * m * tile + m + column, shape).reshape(-1)
    supplies = numpy.tile(numpy.repeat([n, -n], m), count)
    return tails, heads, supplies
