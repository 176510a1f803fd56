/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradient estimates of every pattern, by every instruction set. */
#include "gradients.h"

#include <string.h>

#include "driver.h"

typedef struct result {
  float *values;
  uint8_t *mask;
  gradients_sums sums;
  size_t done;
} result;

static result estimate(
  gradients_set set, const context *c, const matrix *a, bool is_row, size_t blocks,
  size_t columns) {
  const size_t count = a->rows * a->columns, bytes = a->rows * ((a->columns + 7) / 8);
  result r = {.values = calloc(count, sizeof(float)), .mask = calloc(bytes, 1)};
  if (!r.values || !r.mask) abort();
  const gradients_stream stream = {c->seed, c->seed >> 7, c->seed >> 40, is_row ? 1 : 3};
  r.done = is_row
    ? gradients_estimate_rows(
      set, c->n, c->m, &stream, a->base, blocks, r.values, r.mask, &r.sums)
    : gradients_estimate_columns(
      set, c->n, c->m, &stream, a->base, columns, blocks, r.values, r.mask, &r.sums);
  return r;
}

static size_t check_call(const context *c, bool is_row) {
  uint64_t state = c->seed;
  const size_t m = (size_t)c->m, blocks = c->tiles;
  /* Columns may be more than the blocks take. */
  const size_t columns = is_row ? 8 * blocks * m : 8 * blocks + random_below(&state, 9);
  matrix a = make_matrix(c, is_row ? 1 : m, columns, &state);
  const size_t count = a.rows * a.columns, bytes = a.rows * ((a.columns + 7) / 8);
  result first = {0};
  size_t calls = 0;
  for (int set = 0; set < GRADIENTS_SET_COUNT; set++) {
    if (!gradients_set_is_supported((gradients_set)set)) continue;
    result r = estimate((gradients_set)set, c, &a, is_row, blocks, columns);
    calls++;
    require(r.done <= blocks, c, "more blocks than there are");
    if (c->kind != ANY_BITS && c->kind != LARGEST && c->kind != WIDE)
      require(r.done == blocks, c, "not every block");
    uint64_t kept = 0;
    for (size_t k = 0; k < bytes; k++) kept += (uint64_t)__builtin_popcount(r.mask[k]);
    require(kept <= r.done * 8 * (size_t)c->n, c, "more than n of m");
    for (size_t i = 0; i < a.rows; i++)
      for (size_t j = 0; j < a.columns; j++) {
        const bool is_kept = r.mask[i * ((a.columns + 7) / 8) + j / 8] >> (j % 8) & 1;
        require(is_kept == (r.values[i * a.columns + j] != 0), c, "the mask is not the values'");
      }
    if (first.values) {
      require(r.done == first.done, c, "instruction sets stop at different blocks");
      require(!memcmp(r.values, first.values, count * sizeof(float)), c, "values differ");
      require(!memcmp(r.mask, first.mask, bytes), c, "masks differ");
      require(!memcmp(&r.sums, &first.sums, sizeof(r.sums)), c, "sums differ");
      free(r.values);
      free(r.mask);
    } else {
      first = r;
    }
  }
  free(first.values);
  free(first.mask);
  free(a.memory);
  return calls;
}

size_t check_gradients(uint64_t seed) {
  uint64_t state = seed;
  size_t calls = 0;
  for (int m = 1; m <= GRADIENTS_MAXIMUM_M; m++)
    for (int n = 1; n <= m; n++)
      for (int is_row = 0; is_row <= 1; is_row++)
        for (int k = 0; k < KIND_COUNT; k++) {
          const context c = {
            .part = is_row ? "gradients of rows" : "gradients of columns", .n = n, .m = m,
            .dtype = NMK_F32, .kind = (kind)k, .strips = 1, .tiles = random_below(&state, 5),
            .seed = next_random(&state)};
          calls += check_call(&c, is_row);
        }
  return calls;
}
