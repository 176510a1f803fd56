/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The minimum-variance gradient estimator, eight groups abreast, for float32 input.
 *
 * Every instruction set gives the same bits: draws are decided in integers, and the few floating
 * point operations are correctly rounded ones in one fixed order, without contraction. */

/* The largest group that the kernel takes. */
enum { GRADIENTS_MAXIMUM_M = 64 };

/* The instruction sets that it was compiled for, best last. */
typedef enum {
  GRADIENTS_BASELINE = 0,
  GRADIENTS_AVX2 = 1,
  GRADIENTS_AVX512 = 2,
  GRADIENTS_SET_COUNT = 3,
} gradients_set;

/* Whether this machine has a set. */
int gradients_set_is_supported(gradients_set set);

/* The best set of this machine. */
gradients_set gradients_best_set(void);

/* The name of a set. */
const char *gradients_set_name(gradients_set set);

/* Which groups, and whose random bits. */
typedef struct {
  uint64_t seed;
  uint64_t tensor_key;
  /* The index of the first group, and from each group to the next. */
  uint64_t first_group;
  uint64_t group_stride;
} gradients_stream;

/* What the groups add up to: lane l has groups l, l + 8, ... */
typedef struct {
  double variance[8];
  double squares[8];
  uint64_t kept;
  uint64_t zeros;
} gradients_sums;

/* Estimates 8 x blocks groups that lie one after another: 8 x blocks x m numbers.
 *
 * source may have any alignment. values gets as many numbers, mask a bit for each, and sums is
 * added to. Returns the number of blocks done: fewer than `blocks` if the next one has an entry
 * that is not finite or an estimate that float32 cannot hold. */
size_t gradients_estimate_rows(
  gradients_set set, int n, int m, const gradients_stream *stream, const void *source,
  size_t blocks, float *values, uint8_t *mask, gradients_sums *sums);

/* The same for groups that lie side by side: m rows of 8 x blocks numbers, `columns` numbers apart
 * in source and values, and ceil(columns / 8) bytes apart in mask. */
size_t gradients_estimate_columns(
  gradients_set set, int n, int m, const gradients_stream *stream, const void *source,
  size_t columns, size_t blocks, float *values, uint8_t *mask, gradients_sums *sums);
