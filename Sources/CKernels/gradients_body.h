/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The kernel, once for each instruction set: SET(name) names a function of this set.
 *
 * The Swift type MinimumVariance computes the same, group by group; it has the derivation, and it
 * is the oracle of this file. Lane l of every vector belongs to group l of a block. */

#define LOW_HALF 0xFFFFFFFFull

INLINE u64x8 SET(splat)(uint64_t value) { return (u64x8){} + value; }

INLINE u64x8 SET(widen)(u32x8 v) { return __builtin_convertvector(v, u64x8); }

INLINE i64x8 SET(widen_mask)(i32x8 v) { return __builtin_convertvector(v, i64x8); }

INLINE i32x8 SET(narrow_mask)(i64x8 v) { return __builtin_convertvector(v, i32x8); }

INLINE int SET(any)(i64x8 v) { return __builtin_reduce_or(v) != 0; }

/* The products of the low halves: one instruction. */
INLINE u64x8 SET(multiply_low)(u64x8 a, u64x8 b) { return (a & LOW_HALF) * (b & LOW_HALF); }

/* a x b, b < 2^32, modulo 2^64. */
INLINE u64x8 SET(multiply_small)(u64x8 a, u64x8 b) {
  return SET(multiply_low)(a, b) + (SET(multiply_low)(a >> 32, b) << 32);
}

/* The high half of a x b. */
INLINE u64x8 SET(multiply_high)(u64x8 a, u64x8 b) {
  u64x8 low = SET(multiply_low)(a, b);
  u64x8 middle = SET(multiply_low)(a >> 32, b) + (low >> 32);
  u64x8 other = SET(multiply_low)(a, b >> 32) + (middle & LOW_HALF);
  return SET(multiply_low)(a >> 32, b >> 32) + (middle >> 32) + (other >> 32);
}

/* Numbers below 2^63 as doubles, rounded once. */
INLINE f64x8 SET(to_double)(u64x8 v) {
#ifdef GRADIENTS_HAS_INT64_TO_DOUBLE
  return __builtin_convertvector((i64x8)v, f64x8);
#else
  /* 2^84 + high 2^32 and 2^52 + low are exact; so is the difference; the sum rounds. */
  u64x8 high = (v >> 32) | 0x4530000000000000ull;
  u64x8 low = (v & LOW_HALF) | 0x4330000000000000ull;
  return ((f64x8)high - 0x1.00000001p84) + (f64x8)low;
#endif
}

/* The keys of Philox's ten rounds, in pairs. */
INLINE void SET(philox_keys)(uint64_t seed, uint64_t *keys) {
  for (int round = 0; round < 10; round++) {
    keys[2 * round] = (uint32_t)seed + (uint32_t)round * 0x9E3779B9u;
    keys[2 * round + 1] = (uint32_t)(seed >> 32) + (uint32_t)round * 0xBB67AE85u;
  }
}

/* Philox4x32-10: the two 64-bit halves of the block at (group, tensor_key). */
INLINE void SET(philox)(
  u64x8 group, uint64_t tensor_key, const uint64_t *keys, u64x8 *first, u64x8 *second) {
  /* 32-bit words in 64-bit lanes; what is above them is ignored until the end. */
  u64x8 c0 = group, c1 = group >> 32;
  u64x8 c2 = SET(splat)(tensor_key), c3 = SET(splat)(tensor_key >> 32);
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
    u64x8 a = SET(multiply_low)(c0, SET(splat)(0xD2511F53));
    u64x8 b = SET(multiply_low)(c2, SET(splat)(0xCD9E8D57));
    c0 = (b >> 32) ^ c1 ^ keys[2 * round];
    c1 = b;
    c2 = (a >> 32) ^ c3 ^ keys[2 * round + 1];
    c3 = a;
  }
  *first = (c0 & LOW_HALF) | (c1 << 32);
  *second = (c2 & LOW_HALF) | (c3 << 32);
}

/* v / divisor for v < 2^62 and small divisors, given floor((2^64 - 1) / divisor). */
INLINE u64x8 SET(divide)(u64x8 v, u64x8 divisor, u64x8 reciprocal, u64x8 *remainder) {
  u64x8 quotient = SET(multiply_high)(v, reciprocal);
  u64x8 rest = v - SET(multiply_small)(quotient, divisor);
  /* v is so small that the estimate is one short at most. */
  u64x8 short_by_one = (u64x8)((i64x8)rest >= (i64x8)divisor);
  *remainder = rest - (divisor & short_by_one);
  return quotient - short_by_one;
}

/* Eight groups. magnitudes: the bits of the absolute values, [entry][lane]. Returns 0 if an
 * estimate is too large; else sets the bits of the output. */
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

INLINE uint8_t SET(bits_of)(u32x8 output) {
  b1x8 kept = __builtin_convertvector((f32x8)output != 0, b1x8);
  uint8_t byte;
  memcpy(&byte, &kept, 1);
  return byte;
}

INLINE u32x8 SET(load)(const void *source) {
  u32x8 v;
  memcpy(&v, source, sizeof v);
  return v;
}

/* Transposes an 8 x 8 block of 32-bit numbers. */
INLINE void SET(transpose)(u32x8 *r) {
  u32x8 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; i++) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 8; i++) r[i] = t[i];
}

/* From 8 groups of m numbers in memory order to [entry][lane]. */
INLINE void SET(gather)(const int m, const u32x8 *memory, u32x8 *entries) {
  if (m == 2) {
    entries[0] = __builtin_shufflevector(memory[0], memory[1], 0, 2, 4, 6, 8, 10, 12, 14);
    entries[1] = __builtin_shufflevector(memory[0], memory[1], 1, 3, 5, 7, 9, 11, 13, 15);
  } else if (m == 4) {
    u32x8 t[4];
    for (int i = 0; i < 2; i++) {
      t[i] = __builtin_shufflevector(
        memory[2 * i], memory[2 * i + 1], 0, 4, 8, 12, 2, 6, 10, 14);
      t[i + 2] = __builtin_shufflevector(
        memory[2 * i], memory[2 * i + 1], 1, 5, 9, 13, 3, 7, 11, 15);
    }
    for (int i = 0; i < 2; i++) {
      entries[i] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11);
      entries[i + 2] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  } else if (m % 8 == 0) {
    for (int j = 0; j < m / 8; j++) {
      u32x8 square[8];
      for (int l = 0; l < 8; l++) square[l] = memory[l * (m / 8) + j];
      SET(transpose)(square);
      for (int i = 0; i < 8; i++) entries[8 * j + i] = square[i];
    }
  } else {
    const uint32_t *from = (const uint32_t *)memory;
    uint32_t *to = (uint32_t *)entries;
    for (int i = 0; i < m; i++) {
      for (int l = 0; l < 8; l++) to[8 * i + l] = from[l * m + i];
    }
  }
}

/* The inverse of gather. */
INLINE void SET(scatter)(const int m, const u32x8 *entries, u32x8 *memory) {
  if (m == 2) {
    memory[0] = __builtin_shufflevector(entries[0], entries[1], 0, 8, 1, 9, 2, 10, 3, 11);
    memory[1] = __builtin_shufflevector(entries[0], entries[1], 4, 12, 5, 13, 6, 14, 7, 15);
  } else if (m == 4) {
    u32x8 t[4];
    for (int i = 0; i < 2; i++) {
      t[2 * i] =
        __builtin_shufflevector(entries[2 * i], entries[2 * i + 1], 0, 8, 1, 9, 2, 10, 3, 11);
      t[2 * i + 1] =
        __builtin_shufflevector(entries[2 * i], entries[2 * i + 1], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
      memory[2 * i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 2, 3, 10, 11);
      memory[2 * i + 1] = __builtin_shufflevector(t[i], t[i + 2], 4, 5, 12, 13, 6, 7, 14, 15);
    }
  } else if (m % 8 == 0) {
    for (int j = 0; j < m / 8; j++) {
      u32x8 square[8];
      for (int i = 0; i < 8; i++) square[i] = entries[8 * j + i];
      SET(transpose)(square);
      for (int l = 0; l < 8; l++) memory[l * (m / 8) + j] = square[l];
    }
  } else {
    const uint32_t *from = (const uint32_t *)entries;
    uint32_t *to = (uint32_t *)memory;
    for (int i = 0; i < m; i++) {
      for (int l = 0; l < 8; l++) to[l * m + i] = from[8 * i + l];
    }
  }
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
#undef LOW_HALF
