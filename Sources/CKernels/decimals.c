/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "decimals.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* From byte n on, a mask of the last n of 32 bytes. */
static const uint8_t last_bytes[64] = {
  [32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* All of them are exact. */
static const long double powers_of_ten[28] = {
  1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L,
  1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L,
  1e27L};
static const double short_powers_of_ten[16] = {
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

#pragma clang attribute push(__attribute__((target("avx2,bmi,lzcnt"))), apply_to = function)

static inline __m256i load(const uint8_t *bytes) {
  return _mm256_loadu_si256((const __m256i *)bytes);
}

/* Which of 32 bytes are a character. */
static inline uint32_t places(__m256i bytes, char character) {
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(character)));
}

/* Sixteen digits, as two numbers of eight of them. */
static inline uint64_t sixteen(uint64_t eights) {
  return (eights & UINT32_MAX) * 100000000 + (eights >> 32);
}

/* The commas of 64 bytes are found at once and each number is read backwards from its own, so that
   no number waits for the one before it. Signs and lengths of weights are as good as random: no
   branch asks for them, but for whether there are more than 15 digits. */
static size_t read_with_avx2(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
  /* 64 bytes have no more numbers than this, "0.5," being the shortest. */
  const size_t most = 16;
  size_t count = 0;
  const uint8_t *start = text;
  /* Two bytes more than the block: a space, and what is behind it, may follow its last comma. */
  for (const uint8_t *block = text; end - block >= 66 && room - count >= most; block += 64) {
    uint64_t commas = places(load(block), ',') | (uint64_t)places(load(block + 32), ',') << 32;
    while (commas != 0) {
      const uint8_t *stop = block + _tzcnt_u64(commas);
      commas = _blsr_u64(commas);
      const uint64_t minus = *start == '-';
      const uint8_t *first = start + minus;

      const __m256i late = load(stop - 32);
      /* 32 if there is no point; that of a number before makes `whole` wrap. */
      const uint32_t fraction = _lzcnt_u32(places(late, '.'));
      const uint32_t digits = (uint32_t)(stop - first) - 1;
      const uint32_t whole = digits - fraction;
      if (digits - 2 > 29 || fraction - 1 > 26 || whole - 1 > 14 || (whole > 1 && *first == '0')) {
        return count;
      }
      /* The digits before the point are moved up to those after it, and what is before the number
         becomes zeros. */
      const __m256i joined = _mm256_blendv_epi8(load(stop - 33), late, load(last_bytes + fraction));
      const __m256i ones = _mm256_and_si256(
        _mm256_xor_si256(joined, _mm256_set1_epi8('0')), load(last_bytes + digits));
      const __m256i above = _mm256_subs_epu8(ones, _mm256_set1_epi8(9));
      if (!_mm256_testz_si256(above, above)) return count;

      const __m256i twos = _mm256_maddubs_epi16(ones, _mm256_set1_epi16(1 << 8 | 10));
      const __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(1 << 16 | 100));
      const __m256i eights = _mm256_madd_epi16(
        _mm256_packus_epi32(fours, fours), _mm256_set1_epi32(1 << 16 | 10000));
      uint64_t number = sixteen((uint64_t)_mm256_extract_epi64(eights, 2));

      double value;
      if (digits <= 15) {
        /* Below 2^50, so it may be written into the mantissa of 2^52. */
        const uint64_t bits = 0x4330000000000000 | number;
        memcpy(&value, &bits, sizeof value);
        value = (value - 0x1p52) / short_powers_of_ten[fraction];
      } else {
        const uint64_t others = sixteen((uint64_t)_mm256_extract_epi64(eights, 0));
        if (others > 921) return count;
        number += others * 10000000000000000;
        /* Below 2^63. The quotient is rounded to the 64 bits of the extended format; to round it
           again, to 53, is right unless these lie halfway between two numbers of 53. */
        const long double quotient = (long double)(int64_t)number / powers_of_ten[fraction];
        uint64_t mantissa;
        memcpy(&mantissa, &quotient, sizeof mantissa);
        if ((mantissa & 0x7ff) == 0x400) return count;
        value = (double)quotient;
      }
      uint64_t bits;
      memcpy(&bits, &value, sizeof bits);
      bits |= minus << 63;
      memcpy(values + count, &bits, sizeof bits);
      count++;
      *comma = stop;
      start = stop + 1;
      start += *start == ' ';
    }
  }
  return count;
}

#pragma clang attribute pop

#endif

size_t decimals_read(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
    && __builtin_cpu_supports("lzcnt")) {
    return read_with_avx2(text, end, values, room, comma);
  }
#endif
  return 0;
}
