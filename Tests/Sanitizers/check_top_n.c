/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The n largest of groups along rows and down columns, by every instruction set. */
#include <math.h>
#include <string.h>

#include "driver.h"

/* Entry k of a group, as row and column. */
typedef struct place {
  size_t row, column;
} place;

static place place_of(const context *c, bool down_columns, size_t strip, size_t tile, size_t k) {
  const size_t m = (size_t)c->m;
  return down_columns ? (place){strip * m + k, tile} : (place){strip, tile * m + k};
}

static void check_groups(
  const context *c, const matrix *a, bool down_columns, const uint8_t *mask, size_t bytes) {
  const size_t m = (size_t)c->m;
  for (size_t strip = 0; strip < c->strips; strip++)
    for (size_t tile = 0; tile < c->tiles; tile++) {
      uint64_t keys[NMK_MAX_GROUP];
      for (size_t k = 0; k < m; k++) {
        const place at = place_of(c, down_columns, strip, tile, k);
        keys[k] = magnitude_key(a, c->dtype, at.row, at.column);
      }
      for (size_t k = 0; k < m; k++) {
        size_t before = 0;
        for (size_t l = 0; l < m; l++) before += keys[l] > keys[k] || (l < k && keys[l] == keys[k]);
        const place at = place_of(c, down_columns, strip, tile, k);
        const bool is_kept = mask[at.row * bytes + at.column / 8] >> (at.column % 8) & 1;
        require(is_kept == (before < (size_t)c->n), c, "not the n largest");
      }
    }
}

static size_t check_call(const context *c, bool down_columns) {
  uint64_t state = c->seed;
  const size_t m = (size_t)c->m;
  const size_t rows = down_columns ? c->strips * m : c->strips;
  const size_t columns = down_columns ? c->tiles : c->tiles * m;
  matrix a = make_matrix(c, rows, columns, &state);
  const size_t bytes = (columns + 7) / 8, mask_bytes = rows * bytes;
  bool is_finite = true;
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) is_finite &= isfinite(magnitude(&a, c->dtype, i, j));
  uint8_t *first = NULL;
  nmk_sums first_sums;
  size_t calls = 0;
  for (int isa = NMK_BASELINE; isa <= NMK_AVX512; isa++) {
    const nmk_table *table = nmk_table_for((nmk_isa)isa);
    if (!table) continue;
    uint8_t *mask = malloc(mask_bytes);
    if (!mask) abort();
    memset(mask, 0, mask_bytes);
    void *workspace = workspace_of(nmk_top_n_workspace_bytes(c->m));
    const nmk_strip strip = {
      .base = a.base, .row_bytes = a.row_bytes, .strips = c->strips, .tiles = c->tiles,
      .dtype = c->dtype, .mask = mask, .mask_row_bytes = (ptrdiff_t)bytes};
    nmk_sums sums;
    table->top_n(&strip, c->n, c->m, down_columns, workspace, &sums);
    calls++;
    if (is_finite) {
      if (!first) check_groups(c, &a, down_columns, mask, bytes);
      if (first) {
        require(!memcmp(mask, first, mask_bytes), c, "instruction sets choose different masks");
        require(!memcmp(&sums, &first_sums, sizeof(sums)), c, "sums differ");
      }
    } else {
      require(!isfinite(sums.total), c, "the total hides an entry that is not finite");
    }
    if (first) free(mask);
    else {
      first = mask;
      first_sums = sums;
    }
  }
  free(first);
  free(a.memory);
  return calls;
}

size_t check_top_n(uint64_t seed) {
  uint64_t state = seed;
  size_t calls = 0;
  /* Every pattern up to 32, then some of every size. */
  for (int m = 1; m <= NMK_MAX_GROUP; m += m < 32 ? 1 : m < 128 ? 3 : 64)
    for (int n = 1; n <= m; n += m <= 32 ? 1 : 1 + (int)random_below(&state, (size_t)m / 2))
      for (int down_columns = 0; down_columns <= 1; down_columns++)
        for (int k = 0; k < (m <= 32 ? KIND_COUNT : 4); k++) {
          const size_t most = m <= 32 ? down_columns ? 600 : 40 : 6;
          const context c = {
            .part = down_columns ? "top_n of columns" : "top_n of rows", .n = n, .m = m,
            .dtype = (nmk_dtype)random_below(&state, NMK_I64 + 1),
            .kind = (kind)(m <= 32 ? k : (int)random_below(&state, KIND_COUNT)),
            .strips = 1 + random_below(&state, 2), .tiles = 1 + random_below(&state, most),
            .spare = random_below(&state, 4), .seed = next_random(&state)};
          calls += check_call(&c, down_columns);
        }
  return calls;
}
