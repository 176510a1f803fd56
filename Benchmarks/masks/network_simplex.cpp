// SPDX-License-Identifier: GPL-3.0-or-later
// Transposable masks by LEMON's network simplex: one graph and one solver, new costs for each tile.

#include <lemon/config.h>
#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>

#include <cmath>
#include <cstdint>
#include <vector>

using Graph = lemon::SmartDigraph;
using Simplex = lemon::NetworkSimplex<Graph, int, int64_t>;

/// Solves the tiles of `weights`, row-major rows x columns, into `mask`, a byte for each entry. A cost
/// is a magnitude in units of 2^-scale.
/// - Returns: 0, or 1 if a tile was not solved.
extern "C" int network_simplex_masks(
    const float *weights, int64_t rows, int64_t columns, int n, int m, int scale, uint8_t *mask) {
  Graph graph;
  std::vector<Graph::Node> nodes;
  for (int i = 0; i < 2 * m; i++) nodes.push_back(graph.addNode());
  std::vector<Graph::Arc> arcs;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) arcs.push_back(graph.addArc(nodes[i], nodes[m + j]));

  Graph::NodeMap<int> supply(graph);
  for (int i = 0; i < m; i++) {
    supply[nodes[i]] = n;
    supply[nodes[m + i]] = -n;
  }
  Graph::ArcMap<int64_t> cost(graph);
  Graph::ArcMap<int> capacity(graph, 1);
  Simplex simplex(graph, false);  // Without arc mixing: up to a tenth faster on these graphs.
  simplex.upperMap(capacity).supplyMap(supply);

  const double unit = std::ldexp(1.0, scale);
  for (int64_t top = 0; top < rows; top += m) {
    for (int64_t left = 0; left < columns; left += m) {
      const float *tile = weights + top * columns + left;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++)
          cost[arcs[i * m + j]] = -std::llrint(std::fabs(tile[i * columns + j]) * unit);
      simplex.costMap(cost);
      if (simplex.run() != Simplex::OPTIMAL) return 1;
      uint8_t *out = mask + top * columns + left;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) out[i * columns + j] = simplex.flow(arcs[i * m + j]) > 0;
    }
  }
  return 0;
}

extern "C" const char *network_simplex_version() { return LEMON_VERSION; }
