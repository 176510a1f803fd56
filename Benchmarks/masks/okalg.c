// SPDX-License-Identifier: GPL-3.0-or-later
// Transposable masks by GLPK's out-of-kilter algorithm: one graph, new costs for each tile.

#include <glpk.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double supply;
} Vertex;

typedef struct {
  double capacity, cost, flow;
} Arc;

enum {
  // okalg computes in int without guards: larger costs overflow.
  costBits = 24
};

/// Solves the tiles of `weights`, row-major rows x columns, into `mask`, a byte for each entry.
/// - Returns: 0, or the code of the solver that failed.
int okalg_masks(const float *weights, int64_t rows, int64_t columns, int n, int m, uint8_t *mask) {
  glp_graph *graph = glp_create_graph(sizeof(Vertex), sizeof(Arc));
  glp_add_vertices(graph, 2 * m);
  Arc **arcs = malloc(sizeof(Arc *) * m * m);
  for (int i = 0; i < m; i++) {
    ((Vertex *)graph->v[1 + i]->data)->supply = n;
    ((Vertex *)graph->v[1 + m + i]->data)->supply = -n;
    for (int j = 0; j < m; j++) {
      Arc *arc = glp_add_arc(graph, 1 + i, 1 + m + j)->data;
      *arc = (Arc){.capacity = 1};
      arcs[i * m + j] = arc;
    }
  }
  int status = 0;
  for (int64_t top = 0; top < rows && status == 0; top += m) {
    for (int64_t left = 0; left < columns && status == 0; left += m) {
      const float *tile = weights + top * columns + left;
      float largest = 0;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) largest = fmaxf(largest, fabsf(tile[i * columns + j]));
      double scale = largest > 0 ? (1 << costBits) / (double)largest : 0;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++)
          arcs[i * m + j]->cost = rint(((double)largest - fabsf(tile[i * columns + j])) * scale);
      double cost;
      status = glp_mincost_okalg(
          graph, offsetof(Vertex, supply), -1, offsetof(Arc, capacity), offsetof(Arc, cost), &cost,
          offsetof(Arc, flow), -1);
      uint8_t *out = mask + top * columns + left;
      for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) out[i * columns + j] = arcs[i * m + j]->flow > 0.5;
    }
  }
  free(arcs);
  glp_delete_graph(graph);
  return status;
}

const char *okalg_version(void) { return glp_version(); }
