/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The kernel, once for each instruction set: SET(name) names a function of this set.
 *
 * The Swift type MinimumVariance computes the same, group by group; it has the derivation, and it
 * is the oracle of this file. Lane l of every vector belongs to group l of a block. */

#include "gradients_arithmetic.h"
#include "gradients_layout.h"

/* Eight groups, [entry][lane]: sets the bits of the output and adds to the sums. Returns 0 if an
 * entry is not finite or an estimate too large. */
INLINE int SET(block)(
  const int n, const int m, const u32x8 *entries, u64x8 group, uint64_t tensor_key,
  const uint64_t *keys, u32x8 *output, f64x8 *variance, f64x8 *squares, u64x8 *kept, u64x8 *zeros) {
  const int bits = 62 - (32 - __builtin_clz((unsigned)(m - 1 | 1)) - (m == 1));
  const u32x8 sign_bit = (u32x8){} + 0x80000000u;
  const u32x8 one = (u32x8){} + 1;
  u32x8 rest[GRADIENTS_MAXIMUM_M];
  u64x8 scaled[GRADIENTS_MAXIMUM_M];

  u32x8 largest = {};
  u32x8 non_zeros = {};
  f64x8 square_sum = {};
  for (int i = 0; i < m; i++) {
    rest[i] = entries[i] & ~sign_bit;
    largest = __builtin_elementwise_max(rest[i], largest);
    non_zeros -= (u32x8)(rest[i] != 0);
    f64x8 magnitude = __builtin_convertvector((f32x8)rest[i], f64x8);
    square_sum += magnitude * magnitude;
  }
  if (__builtin_reduce_max(largest) >= 0x7F800000u) return 0;
  *squares += square_sum;

  /* Lanes with more than n entries have something to draw; elsewhere all are kept. */
  const i32x8 is_drawn = non_zeros > (uint32_t)n;
  *zeros += SET(widen)((uint32_t)m - non_zeros);
  *kept += SET(widen)(__builtin_elementwise_min(non_zeros, (u32x8){} + (uint32_t)n));

  /* Integers in a common unit, and the entries that fill more than a needle's distance. */
  u64x8 draws = SET(splat)((uint64_t)n);
  u64x8 total, exponent;
  for (int saturated = 0;; saturated++) {
    u32x8 field = __builtin_elementwise_max(largest >> 23, one);
    exponent = SET(widen)(field);
    total = SET(splat)(0);
    u64x8 longest = SET(splat)(0);
    for (int i = 0; i < m; i++) {
      u32x8 own = rest[i] >> 23;
      u32x8 fraction = rest[i] & 0x7FFFFF;
      fraction |= (u32x8)(own != 0) & 0x800000;
      u32x8 shift = field - __builtin_elementwise_max(own, one);
      shift = __builtin_elementwise_min(shift, one * 63);
      scaled[i] = (SET(widen)(fraction) << (bits - 24)) >> SET(widen)(shift);
      total += scaled[i];
      longest = (u64x8)__builtin_elementwise_max((i64x8)scaled[i], (i64x8)longest);
    }
    if (saturated >= n - 1) break;
    i64x8 fills = (i64x8)SET(multiply_small)(longest, draws) >= (i64x8)total;
    if (n > 2) fills &= (i64x8)draws > 1;
    fills &= SET(widen_mask)(is_drawn);
    if (!SET(any)(fills)) break;
    /* The first of the largest leaves the line. */
    i32x8 leaves = SET(narrow_mask)(fills);
    u32x8 next = {};
    draws += (u64x8)fills;
    for (int i = 0; i < m; i++) {
      i32x8 is_it = leaves & (rest[i] == largest);
      leaves &= ~is_it;
      rest[i] &= ~(u32x8)is_it;
      next = __builtin_elementwise_max(rest[i], next);
    }
    largest = next;
  }

  /* The shared magnitude, and its rounding to float32. */
  const f64x8 divisor = SET(to_double)(draws);
  const f64x8 unit = (f64x8)((exponent + (uint64_t)(1023 - 126 - bits)) << 52);
  f64x8 shared = SET(to_double)(total) * unit;
  if (n > 1) shared /= divisor;
  i64x8 is_too_large = shared > 0x1.fffffep127;
  if (SET(any)(is_too_large & SET(widen_mask)(is_drawn))) return 0;
  u64x8 random, more;
  SET(philox)(group, tensor_key, keys, &random, &more);
  u64x8 discarded = SET(splat)((1 << 29) - 1);
  if (SET(any)(shared < 0x1p-126)) {
    /* Subnormal in float32, which has fewer bits for it. */
    i64x8 surplus = 29 + 1023 - 126 - (i64x8)((u64x8)shared >> 52);
    surplus = __builtin_elementwise_max(surplus, (i64x8){} + 29);
    surplus = __builtin_elementwise_min(surplus, (i64x8){} + 52);
    discarded = (SET(splat)(1) << (u64x8)surplus) - 1;
  }
  u64x8 rounded = ((u64x8)shared + (more & discarded)) & ~discarded;
  const u32x8 shared_bits = (u32x8)__builtin_convertvector((f64x8)rounded, f32x8);

  /* The needles. */
  u64x8 needle = SET(multiply_high)(random, total);
  u64x8 quotient = total, quotient_rest = SET(splat)(0), remainder = SET(splat)(0);
  if (n == 2) {
    u64x8 shift = draws - 1;
    quotient = total >> shift;
    quotient_rest = total & shift;
    remainder = needle & shift;
    needle = needle >> shift;
  } else if (n > 2) {
    u64x8 reciprocal;
    for (int l = 0; l < 8; l++) reciprocal[l] = UINT64_MAX / draws[l];
    needle = SET(divide)(needle, draws, reciprocal, &remainder);
    quotient = SET(divide)(total, draws, reciprocal, &quotient_rest);
  }

  f64x8 sum = {};
  u64x8 end = SET(splat)(0);
  for (int i = 0; i < m; i++) {
    f64x8 magnitude = __builtin_convertvector((f32x8)rest[i], f64x8);
    u64x8 taken = n == 1 ? scaled[i] : SET(multiply_small)(scaled[i], draws);
    sum += magnitude * SET(to_double)(total - taken);
    end += scaled[i];
    i64x8 hit = (i64x8)needle < (i64x8)end;
    needle += quotient & (u64x8)hit;
    if (n > 1) {
      remainder += quotient_rest & (u64x8)hit;
      u64x8 carry = (u64x8)hit & (u64x8)((i64x8)remainder >= (i64x8)draws);
      remainder -= draws & carry;
      needle -= carry;
    }
    i32x8 is_hit = SET(narrow_mask)(hit) & is_drawn;
    /* Saturated entries have left `rest`; where nothing is drawn nothing has. */
    i32x8 is_unchanged = (rest[i] == 0) | ~is_drawn;
    u32x8 drawn = shared_bits | (entries[i] & sign_bit);
    u32x8 unchanged = entries[i] & (u32x8)((entries[i] & ~sign_bit) != 0);
    output[i] = (drawn & (u32x8)is_hit) | (unchanged & (u32x8)is_unchanged);
  }
  sum = sum * unit;
  if (n > 1) sum /= divisor;
  *variance += (f64x8)((u64x8)sum & (u64x8)SET(widen_mask)(is_drawn));
  return 1;
}

INLINE size_t SET(estimate)(
  const int n, const int m, const int is_row, const gradients_stream *stream,
  const uint8_t *source, size_t columns, size_t blocks, float *values, uint8_t *mask,
  gradients_sums *sums) {
  const size_t mask_bytes = (columns + 7) / 8;
  f64x8 variance, squares;
  memcpy(&variance, sums->variance, sizeof variance);
  memcpy(&squares, sums->squares, sizeof squares);
  u64x8 kept = SET(splat)(0), zeros = SET(splat)(0);
  u64x8 group = (u64x8){0, 1, 2, 3, 4, 5, 6, 7} * stream->group_stride + stream->first_group;
  uint64_t keys[20];
  SET(philox_keys)(stream->seed, keys);
  size_t done = 0;
  for (; done < blocks; done++) {
    u32x8 memory[GRADIENTS_MAXIMUM_M], entries[GRADIENTS_MAXIMUM_M], output[GRADIENTS_MAXIMUM_M];
    if (is_row) {
      for (int i = 0; i < m; i++) memory[i] = SET(load)(source + 32 * (done * (size_t)m + i));
      SET(gather)(m, memory, entries);
    } else {
      for (int i = 0; i < m; i++) {
        entries[i] = SET(load)(source + 4 * ((size_t)i * columns + 8 * done));
      }
    }
    if (!SET(block)(
          n, m, entries, group, stream->tensor_key, keys, output, &variance, &squares, &kept,
          &zeros)) {
      break;
    }
    if (is_row) {
      SET(scatter)(m, output, memory);
      for (int i = 0; i < m; i++) {
        memcpy(values + 8 * (done * (size_t)m + i), &memory[i], 32);
        mask[done * (size_t)m + i] = SET(bits_of)(memory[i]);
      }
    } else {
      for (int i = 0; i < m; i++) {
        memcpy(values + (size_t)i * columns + 8 * done, &output[i], 32);
        mask[(size_t)i * mask_bytes + done] = SET(bits_of)(output[i]);
      }
    }
    group += 8 * stream->group_stride;
  }
  memcpy(sums->variance, &variance, sizeof variance);
  memcpy(sums->squares, &squares, sizeof squares);
  sums->kept += __builtin_reduce_add(kept);
  sums->zeros += __builtin_reduce_add(zeros);
  return done;
}

/* The usual patterns with their numbers known to the compiler, and the others. */
#define DISPATCH(is_row)                                                                         \
  if (n == 1 && m == 2)                                                                          \
    return SET(estimate)(1, 2, is_row, stream, source, columns, blocks, values, mask, sums);     \
  if (n == 2 && m == 4)                                                                          \
    return SET(estimate)(2, 4, is_row, stream, source, columns, blocks, values, mask, sums);     \
  if (n == 1 && m == 4)                                                                          \
    return SET(estimate)(1, 4, is_row, stream, source, columns, blocks, values, mask, sums);     \
  if (n == 4 && m == 8)                                                                          \
    return SET(estimate)(4, 8, is_row, stream, source, columns, blocks, values, mask, sums);     \
  return SET(estimate)(n, m, is_row, stream, source, columns, blocks, values, mask, sums)

static size_t SET(rows)(
  int n, int m, const gradients_stream *stream, const uint8_t *source, size_t blocks,
  float *values, uint8_t *mask, gradients_sums *sums) {
  const size_t columns = 0;
  DISPATCH(1);
}

static size_t SET(columns)(
  int n, int m, const gradients_stream *stream, const uint8_t *source, size_t columns,
  size_t blocks, float *values, uint8_t *mask, gradients_sums *sums) {
  DISPATCH(0);
}

#undef DISPATCH
