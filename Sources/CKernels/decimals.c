/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decimals.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

/* From byte n on, a mask of the last n of 32 bytes, and of the first 16 - n of 16. */
static const uint8_t last_bytes[64] = {
  [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
static const uint8_t first_bytes[32] = {
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* All of them are exact. */
static const long double powers_of_ten[28] = {
  1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L,
  1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L,
  1e27L};
static const double short_powers_of_ten[2][16] = {
  {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15},
  {-1e0, -1e1, -1e2, -1e3, -1e4, -1e5, -1e6, -1e7, -1e8, -1e9, -1e10, -1e11, -1e12, -1e13, -1e14,
    -1e15}};

#pragma clang attribute push(__attribute__((target("avx2,bmi,lzcnt,popcnt"))), apply_to = function)

static inline __m256i load(const uint8_t *bytes) {
  return _mm256_loadu_si256((const __m256i *)bytes);
}

/* Sixteen bytes from each of two places. */
static inline __m256i load_two(const uint8_t *low, const uint8_t *high) {
  return _mm256_loadu2_m128i((const __m128i *)high, (const __m128i *)low);
}

/* Which of 32 bytes are a character. */
static inline uint32_t places(__m256i bytes, char character) {
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(character)));
}

/* Digits, of a byte each, as numbers of four of them. */
static inline __m256i fours(__m256i ones) {
  const __m256i twos = _mm256_maddubs_epi16(ones, _mm256_set1_epi16(1 << 8 | 10));
  return _mm256_madd_epi16(twos, _mm256_set1_epi32(1 << 16 | 100));
}

/* The same as numbers of eight. */
static inline __m256i eights(__m256i low, __m256i high) {
  return _mm256_madd_epi16(_mm256_packus_epi32(low, high), _mm256_set1_epi32(1 << 16 | 10000));
}

static inline bool has_other_than_digits(__m256i ones) {
  const __m256i above = _mm256_subs_epu8(ones, _mm256_set1_epi8(9));
  return !_mm256_testz_si256(above, above);
}

/* Where a number begins, behind a comma. */
static inline const uint8_t *after(const uint8_t *comma) {
  return comma + 1 + (comma[1] == ' ');
}

static inline double double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Sixteen digits, as two numbers of eight of them. */
static inline uint64_t sixteen(uint64_t pair) {
  return (pair & UINT32_MAX) * 100000000 + (pair >> 32);
}

/* The number from `start` to `stop`; false if it is of another form. */
static inline bool read_one(const uint8_t *start, const uint8_t *stop, double *result) {
  const uint64_t minus = *start == '-';
  const uint8_t *first = start + minus;

  const __m256i late = load(stop - 32);
  /* 32 if there is no point; that of a number before makes `whole` wrap. */
  const uint32_t fraction = _lzcnt_u32(places(late, '.'));
  const uint32_t digits = (uint32_t)(stop - first) - 1;
  const uint32_t whole = digits - fraction;
  if (digits - 2 > 29 || fraction - 1 > 26 || whole - 1 > 14 || (whole > 1 && *first == '0')) {
    return false;
  }
  /* The digits before the point are moved up to those after it, and what is before the number
     becomes zeros. */
  const __m256i joined = _mm256_blendv_epi8(load(stop - 33), late, load(last_bytes + fraction));
  const __m256i ones = _mm256_and_si256(
    _mm256_xor_si256(joined, _mm256_set1_epi8('0')), load(last_bytes + digits));
  if (has_other_than_digits(ones)) return false;

  const __m256i pairs = eights(fours(ones), fours(ones));
  uint64_t number = sixteen((uint64_t)_mm256_extract_epi64(pairs, 2));
  if (digits <= 15) {
    /* Below 2^50, so it may be written into the mantissa of 2^52. */
    const double dividend = double_of_bits(0x4330000000000000 | number) - 0x1p52;
    *result = dividend / short_powers_of_ten[minus][fraction];
    return true;
  }
  const uint64_t others = sixteen((uint64_t)_mm256_extract_epi64(pairs, 0));
  if (others > 921) return false;
  number += others * 10000000000000000;
  /* Below 2^63. The quotient is rounded to the 64 bits of the extended format; to round it again,
     to 53, is right unless these lie halfway between two numbers of 53. */
  const long double quotient = (long double)(int64_t)number / powers_of_ten[fraction];
  uint64_t mantissa;
  memcpy(&mantissa, &quotient, sizeof mantissa);
  if ((mantissa & 0x7ff) == 0x400) return false;
  const double magnitude = (double)quotient;
  uint64_t bits;
  memcpy(&bits, &magnitude, sizeof bits);
  *result = double_of_bits(bits | minus << 63);
  return true;
}

/* The places of a number. */
typedef struct form {
  uint32_t digits, fraction, minus;
} form;

static inline form form_of(const uint8_t *start, const uint8_t *stop, uint32_t fraction) {
  const uint32_t minus = *start == '-';
  return (form){(uint32_t)(stop - start) - minus - 1, fraction, minus};
}

/* The digits before the point without the first; wraps where there is no point. */
static inline uint32_t more(form x) { return x.digits - x.fraction - 1; }

/* What a number of up to 15 digits, with a point among them, has no bits of but the lowest four. */
static inline uint32_t oddities(form x) {
  return x.digits | x.fraction | (x.fraction - 1) | more(x);
}

/* Moves the digits before the point of two numbers up to those after it, and makes zeros of what
   is before the numbers. */
static inline __m256i digits_of_two(__m256i text, form low, form high) {
  const __m256i identity = _mm256_setr_epi8(
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m256i moved = _mm256_add_epi8(
    identity, load_two(first_bytes + low.fraction, first_bytes + high.fraction));
  const __m256i outside = load_two(first_bytes + low.digits, first_bytes + high.digits);
  return _mm256_shuffle_epi8(
    _mm256_xor_si256(text, _mm256_set1_epi8('0')), _mm256_or_si256(moved, outside));
}

/* Four numbers of at most 15 digits, from `start` on, at once; false if one is of another form.
   Signs and lengths of weights are as good as random: no branch asks for them. */
static inline bool read_four(
  const uint8_t *start, const uint8_t *text, const uint32_t *commas, double *values) {
  const uint8_t *const stops[4] = {
    text + commas[0], text + commas[1], text + commas[2], text + commas[3]};
  const uint8_t *const starts[4] = {start, after(stops[0]), after(stops[1]), after(stops[2])};
  const __m256i even = load_two(stops[0] - 16, stops[2] - 16);
  const __m256i odd = load_two(stops[1] - 16, stops[3] - 16);
  /* 16 and more if a number has no point. */
  const uint32_t even_points = places(even, '.'), odd_points = places(odd, '.');
  const form forms[4] = {
    form_of(starts[0], stops[0], _lzcnt_u32(even_points << 16)),
    form_of(starts[1], stops[1], _lzcnt_u32(odd_points << 16)),
    form_of(starts[2], stops[2], _lzcnt_u32(even_points)),
    form_of(starts[3], stops[3], _lzcnt_u32(odd_points))};
  uint32_t odd_bits = 0, any_more = 0;
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) {
    odd_bits |= oddities(forms[k]);
    any_more |= more(forms[k]);
  }
  if (odd_bits > 15) return false;
  /* Most weights have one digit before the point; before more, the first must not be zero. */
  if (any_more != 0) {
    bool is_other = false;
#pragma clang loop unroll(full)
    for (int k = 0; k < 4; k++)
      is_other |= (more(forms[k]) != 0) & (starts[k][forms[k].minus] == '0');
    if (is_other) return false;
  }

  const __m256i even_ones = digits_of_two(even, forms[0], forms[2]);
  const __m256i odd_ones = digits_of_two(odd, forms[1], forms[3]);
  if (has_other_than_digits(_mm256_max_epu8(even_ones, odd_ones))) return false;

  const __m256i pairs = eights(fours(even_ones), fours(odd_ones));
  const __m256i numbers = _mm256_add_epi64(
    _mm256_mul_epu32(pairs, _mm256_set1_epi64x(100000000)), _mm256_srli_epi64(pairs, 32));
  /* Below 2^50, so they may be written into the mantissa of 2^52. */
  const __m256d magic = _mm256_set1_pd(0x1p52);
  const __m256d dividends = _mm256_sub_pd(
    _mm256_castsi256_pd(_mm256_or_si256(numbers, _mm256_castpd_si256(magic))), magic);
  const __m256d divisors = _mm256_setr_pd(
    short_powers_of_ten[forms[0].minus][forms[0].fraction],
    short_powers_of_ten[forms[1].minus][forms[1].fraction],
    short_powers_of_ten[forms[2].minus][forms[2].fraction],
    short_powers_of_ten[forms[3].minus][forms[3].fraction]);
  _mm256_storeu_pd(values, _mm256_div_pd(dividends, divisors));
  return true;
}

enum { BLOCK = 64, GROUP = 4 * BLOCK };

/* The commas of a block. Two bytes more than a block must be readable: a space, and what is behind
   it, may follow its last comma. */
static inline uint64_t commas_of(const uint8_t *block) {
  return places(load(block), ',') | (uint64_t)places(load(block + 32), ',') << 32;
}

/* Writes where the commas of a group are, as distances from `text`. */
static inline size_t find_commas(
  const uint8_t *text, const uint8_t *group, const uint8_t *end, uint32_t *commas) {
  size_t count = 0;
  for (const uint8_t *block = group; block < group + GROUP && end - block >= BLOCK + 2;
    block += BLOCK) {
    uint64_t found = commas_of(block);
    const size_t next = count + (size_t)_mm_popcnt_u64(found);
    /* Always eight at a time: how many there are is not foreseen. What is written beyond them is
       written over. */
    for (uint32_t *to = commas + count; found != 0; to += 8) {
#pragma clang loop unroll(full)
      for (int j = 0; j < 8; j++) {
        to[j] = (uint32_t)(block - text) + (uint32_t)_tzcnt_u64(found);
        found = _blsr_u64(found);
      }
    }
    count = next;
  }
  return count;
}

/* Reads numbers in fours, up to those of which one is of another form. */
static size_t read_fours(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
  uint32_t commas[GROUP + 16];
  size_t count = 0, found = 0;
  const uint8_t *start = text;
  /* The room is of some text that is far shorter, and a place must fit its type. */
  for (const uint8_t *group = text; group - text < 1 << 20; group += GROUP) {
    found += find_commas(text, group, end, commas + found);
    size_t k = 0;
    for (; k + 4 <= found && count + 4 <= room; k += 4) {
      if (!read_four(start, text, commas + k, values + count)) return count;
      count += 4;
      *comma = text + commas[k + 3];
      start = after(*comma);
    }
    if (count + 4 > room || end - group < GROUP + BLOCK + 2) return count;
    /* Fewer than four wait for the next group. */
    found -= k;
    for (size_t j = 0; j < found; j++) commas[j] = commas[k + j];
  }
  return count;
}

/* Reads numbers one by one. */
static size_t read_ones(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
  size_t count = 0;
  const uint8_t *start = text;
  for (const uint8_t *block = text; end - block >= BLOCK + 2 && count < room; block += BLOCK) {
    uint64_t commas = commas_of(block);
    while (commas != 0 && count < room) {
      const uint8_t *stop = block + _tzcnt_u64(commas);
      commas = _blsr_u64(commas);
      if (!read_one(start, stop, values + count)) return count;
      count++;
      *comma = stop;
      start = after(stop);
    }
  }
  return count;
}

/* The commas of some text are found at once and each number is read backwards from its own, so that
   no number waits for the one before it. */
static size_t read_with_avx2(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
  size_t count = 0;
  while (count < room) {
    const uint8_t *start = count == 0 ? text : after(*comma);
    const size_t fours = read_fours(start, end, values + count, room - count, comma);
    count += fours;
    if (fours > 0) start = after(*comma);
    /* Where fours are rare, no time is lost on them. */
    const size_t wanted = fours >= 64 && room - count > 4 ? 4 : room - count;
    const size_t ones = read_ones(start, end, values + count, wanted, comma);
    count += ones;
    if (ones < wanted) break;
  }
  return count;
}

#pragma clang attribute pop

#endif

size_t decimals_read(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
    && __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("popcnt")) {
    return read_with_avx2(text, end, values, room, comma);
  }
#endif
  return 0;
}
