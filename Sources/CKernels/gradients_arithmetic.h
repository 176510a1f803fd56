/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Integers in 64-bit lanes, and the random numbers; included once for each instruction set. */

#ifndef LOW_HALF
#define LOW_HALF 0xFFFFFFFFull
#endif

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
