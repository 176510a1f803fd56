/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transposable masks of every pattern, by every instruction set. */
#include <math.h>
#include <string.h>

#include "driver.h"

typedef struct result {
  uint8_t *mask;
  nmk_sums sums;
} result;

static result solve(
  const nmk_table *table, const nmk_plan *plan, const context *c, const matrix *a,
  size_t mask_row_bytes) {
  const size_t last = (c->tiles * (size_t)c->m + 7) / 8;
  const size_t bytes = (a->rows - 1) * mask_row_bytes + last;
  result r = {.mask = malloc(bytes)};
  if (!r.mask) abort();
  memset(r.mask, 0, bytes);
  void *workspace = workspace_of(nmk_workspace_bytes(plan, c->strips * c->tiles));
  const nmk_strip strip = {
    .base = a->base, .row_bytes = a->row_bytes, .strips = c->strips, .tiles = c->tiles,
    .dtype = c->dtype, .mask = r.mask, .mask_row_bytes = (ptrdiff_t)mask_row_bytes};
  table->transposable(plan, &strip, workspace, &r.sums);
  return r;
}

static bool is_kept(const uint8_t *mask, size_t row_bytes, size_t row, size_t column) {
  return mask[row * row_bytes + column / 8] >> (column % 8) & 1;
}

static int64_t first_not_finite(const context *c, const matrix *a) {
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < a->columns; j++)
      if (isinf(magnitude(a, c->dtype, i, j))) return (int64_t)(i * a->columns + j);
  return -1;
}

static void check_counts(const context *c, const matrix *a, const uint8_t *mask, size_t bytes) {
  const size_t m = (size_t)c->m;
  for (size_t top = 0; top < a->rows; top += m)
    for (size_t left = 0; left < a->columns; left += m)
      for (size_t i = 0; i < m; i++) {
        int row = 0, column = 0;
        for (size_t j = 0; j < m; j++) {
          row += is_kept(mask, bytes, top + i, left + j);
          column += is_kept(mask, bytes, top + j, left + i);
        }
        require(c->at_most ? row <= c->n : row == c->n, c, "a row keeps a wrong number");
        require(c->at_most ? column <= c->n : column == c->n, c, "a column keeps a wrong number");
      }
}

static void check_sums(const context *c, const matrix *a, const result *r, size_t bytes) {
  long double kept = 0, total = 0;
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < a->columns; j++) {
      const double w = magnitude(a, c->dtype, i, j);
      total += w;
      if (is_kept(r->mask, bytes, i, j)) kept += w;
    }
  /* The sum of the largest float64 is none. */
  if (!isfinite((double)total)) return;
  require(fabsl(r->sums.kept - kept) <= 1e-12L * total, c, "a wrong score");
  require(fabsl(r->sums.total - total) <= 1e-12L * total, c, "a wrong total");
  require(r->sums.gap >= 0 && r->sums.gap <= 1e-12L * total, c, "no optimum");
}

static size_t check_call(const nmk_plan *plan, const context *c) {
  uint64_t state = c->seed;
  const size_t rows = c->strips * (size_t)c->m, columns = c->tiles * (size_t)c->m;
  matrix a = make_matrix(c, rows, columns, &state);
  const size_t bytes = (columns + 7) / 8 + random_below(&state, 3);
  const int64_t not_finite = first_not_finite(c, &a);
  result first = {0};
  size_t calls = 0;
  for (int isa = NMK_BASELINE; isa <= NMK_AVX512; isa++) {
    const nmk_table *table = nmk_table_for((nmk_isa)isa);
    if (!table) continue;
    result r = solve(table, plan, c, &a, bytes);
    calls++;
    require(r.sums.nonfinite == not_finite, c, "another entry is not finite");
    if (not_finite < 0 && !first.mask) {
      check_counts(c, &a, r.mask, bytes);
      check_sums(c, &a, &r, bytes);
    }
    if (first.mask && not_finite < 0) {
      require(
        !memcmp(r.mask, first.mask, (rows - 1) * bytes + (columns + 7) / 8), c,
        "instruction sets choose different masks");
      require(
        !memcmp(&r.sums, &first.sums, sizeof(nmk_sums)), c,
        "instruction sets add to different sums");
    }
    if (first.mask) free(r.mask);
    else first = r;
  }
  free(first.mask);
  free(a.memory);
  return calls;
}

size_t check_transposable(uint64_t seed) {
  uint64_t state = seed;
  size_t calls = 0;
  nmk_plan plan;
  if (nmk_plan_init(&plan, 0, 4, false) || nmk_plan_init(&plan, 5, 4, false)
    || nmk_plan_init(&plan, 1, 65, false)) return 0;
  for (int m = 1; m <= NMK_MAX_TILE; m++)
    for (int n = 1; n <= m; n++)
      for (int at_most = 0; at_most <= 1; at_most++) {
        nmk_plan_init(&plan, n, m, at_most);
        /* Every kind of data for small patterns, two in turn for the others. */
        const int kinds = m <= 16 ? KIND_COUNT : 2;
        for (int k = 0; k < kinds; k++) {
          /* Less than a vector of tiles, one, more; and in the smaller, several of them. */
          const size_t most = m <= 4 ? 140 : m <= 8 ? 70 : m <= 16 ? 36 : 10;
          context c = {
            .part = "transposable", .n = n, .m = m, .at_most = at_most,
            .dtype = (nmk_dtype)random_below(&state, NMK_I64 + 1),
            .kind = (kind)(kinds == KIND_COUNT ? k : (int)random_below(&state, KIND_COUNT)),
            .strips = 1 + random_below(&state, 3), .tiles = 1 + random_below(&state, most),
            .spare = random_below(&state, 4), .seed = next_random(&state)};
          calls += check_call(&plan, &c);
        }
      }
  return calls;
}
