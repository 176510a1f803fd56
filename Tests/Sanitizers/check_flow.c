/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tile at a time by GLPK: masks with their dual proof, and what it refuses. */
#include "cglpk.h"

#include <string.h>

#include "driver.h"

/* A weight in 0 ... largest. */
static int weight(const context *c, int i, int j, int largest, uint64_t *state) {
  const uint64_t random = next_random(state);
  uint64_t row = c->seed + (uint64_t)i, column = c->seed + 4096 + (uint64_t)j;
  switch (c->kind) {
  case LATTICE: return (int)(random % 3);
  case EQUAL: return largest / 2;
  case ZEROS: return 0;
  case SPARSE: return random % 10 ? 0 : (int)(random % (uint64_t)largest);
  case ADDITIVE: return (int)(next_random(&row) % 50 + next_random(&column) % 50);
  case ADJACENT: return largest - (int)(random & 1);
  case WIDE: return (int)((random % (uint64_t)largest) >> (random >> 40) % 24);
  case SMALLEST: return (int)(random & 1);
  case LARGEST: return largest;
  default: return (int)(random % ((uint64_t)largest + 1));
  }
}

static void check_tile(const context *c) {
  enum { SIDE = NMK_MAX_TILE };
  const int n = c->n, m = c->m, largest = m > 62 ? 1 << 23 : 1 << 24;
  uint64_t state = c->seed;
  /* Exactly as large as the solver may write. */
  int *weights = malloc(sizeof(int) * (size_t)(m * m));
  unsigned char *kept = malloc((size_t)(m * m));
  double *u = malloc(sizeof(double) * (size_t)m), *v = malloc(sizeof(double) * (size_t)m);
  if (!weights || !kept || !u || !v) abort();
  for (int k = 0; k < m * m; k++) weights[k] = weight(c, k / m, k % m, largest, &state);
  char message[64];
  const int status = cglpk_solve_tile(
    n, m, c->at_most, largest, weights, kept, u, v, message, sizeof(message));
  require(status == CGLPK_OPTIMAL, c, message);

  /* Weak duality: no mask scores more than the dual, so one that scores as much is the best. */
  double score = 0, dual = 0;
  int rows[SIDE] = {0}, columns[SIDE] = {0};
  for (int i = 0; i < m; i++) {
    require(!c->at_most || (u[i] >= 0 && v[i] >= 0), c, "a potential is negative");
    dual += n * (u[i] + v[i]);
    for (int j = 0; j < m; j++) {
      const int w = weights[i * m + j];
      if (kept[i * m + j]) {
        score += w;
        rows[i]++;
        columns[j]++;
      }
      if (w > u[i] + v[j]) dual += w - u[i] - v[j];
    }
  }
  for (int i = 0; i < m; i++) {
    require(c->at_most ? rows[i] <= n : rows[i] == n, c, "a row keeps a wrong number");
    require(c->at_most ? columns[i] <= n : columns[i] == n, c, "a column keeps a wrong number");
  }
  require(score == dual, c, "no optimum");
  free(weights);
  free(kept);
  free(u);
  free(v);
}

/* More of a row than it has: GLPK says that there is no such flow, in as much room as there is. */
static void check_refusal(const context *c, size_t room) {
  int weights[4] = {1, 2, 3, 4};
  unsigned char kept[4];
  double u[2], v[2];
  char *message = malloc(room);
  if (!message) abort();
  const int status = cglpk_solve_tile(3, 2, 0, 4, weights, kept, u, v, message, room);
  require(status == CGLPK_NOT_OPTIMAL, c, "an impossible flow");
  require(room == 0 || strnlen(message, room) < room, c, "a message without an end");
  free(message);
}

size_t check_flow(uint64_t seed) {
  uint64_t state = seed;
  size_t calls = 0;
  context c = {.part = "flow", .strips = 1, .tiles = 1};
  for (c.m = 1; c.m <= NMK_MAX_TILE; c.m += c.m < 12 ? 1 : c.m < 61 ? 7 : 1)
    for (c.n = 1; c.n <= c.m; c.n += c.m <= 12 ? 1 : 1 + (int)random_below(&state, (size_t)c.m))
      for (int at_most = 0; at_most <= 1; at_most++)
        for (int k = 0; k < (c.m <= 12 ? ANY_BITS : 2); k++) {
          c.at_most = at_most;
          c.kind = (kind)(c.m <= 12 ? k : (int)random_below(&state, ANY_BITS));
          c.seed = next_random(&state);
          check_tile(&c);
          calls++;
        }
  c.n = 3, c.m = 2;
  for (size_t room = 0; room <= 32; room++, calls++) check_refusal(&c, room);
  /* Frees what GLPK holds; the next call starts anew. */
  cglpk_release();
  c.n = 1, c.m = 2;
  check_tile(&c);
  cglpk_release();
  return calls + 1;
}
