/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the driver share: random numbers, matrices, and a way to fail. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ckernels.h"

/* Kinds of entries, on which kernels take different paths. */
typedef enum kind {
  NORMAL,
  LATTICE,  /* -2 ... 2: ties everywhere */
  EQUAL,
  ZEROS,
  SPARSE,   /* nine of ten are zero */
  ADDITIVE, /* r_i + c_j in small integers: all masks score the same */
  ADJACENT, /* one rounding step apart */
  WIDE,     /* every exponent that the type has */
  SMALLEST, /* the least magnitudes: subnormal numbers, for the types that have them */
  LARGEST,  /* the greatest: next to infinity, or the ends of the integers */
  ANY_BITS, /* of the type, NaN and infinities among them */
  KIND_COUNT
} kind;

/* One call's circumstances: `require` prints them. */
typedef struct context {
  const char *part;
  int n, m;
  bool at_most;
  nmk_dtype dtype;
  kind kind;
  size_t strips, tiles, spare;
  uint64_t seed;
} context;

typedef struct matrix {
  char *memory; /* as many bytes as there must be, so that a byte further is an error */
  char *base;   /* not aligned */
  size_t rows, columns;
  ptrdiff_t row_bytes;
} matrix;

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
uint64_t next_random(uint64_t *state);

/* One of 0 ..< bound. */
size_t random_below(uint64_t *state, size_t bound);

/* A matrix of `columns` used columns and context->spare further ones at the end of each row but
   the last. */
matrix make_matrix(const context *context, size_t rows, size_t columns, uint64_t *state);

int element_bytes(nmk_dtype dtype);

/* The magnitude as float64; infinite where the entry is not finite. */
double magnitude(const matrix *matrix, nmk_dtype dtype, size_t row, size_t column);

/* A number that orders magnitudes exactly. */
uint64_t magnitude_key(const matrix *matrix, nmk_dtype dtype, size_t row, size_t column);

/* `bytes` at a multiple of 64, and not one more, until the next call. */
void *workspace_of(size_t bytes);

/* Ends the process with the context unless `condition`. */
void require(bool condition, const context *context, const char *what);

/* The parts; each returns how many calls it made. */
size_t check_transposable(uint64_t seed);
size_t check_top_n(uint64_t seed);
size_t check_gradients(uint64_t seed);
size_t check_flow(uint64_t seed);
size_t check_decimals(uint64_t seed);
