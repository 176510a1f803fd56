/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting within fields of a word. */

/* The low m bits of each field of `pitch` bits. */
NMK_INLINE uint64_t pitch_pattern(int pitch, int m) {
  uint64_t pattern = m == 64 ? ~0ull : (1ull << m) - 1;
  for (int k = pitch; k < 64; k *= 2) pattern |= pattern << k;
  return pattern;
}

/* The columns of 64 that do not have n of m bits set; rows are `step` words apart. */
NMK_INLINE uint64_t columns_without(const block_word *rows, int step, int m, int n) {
  /* Digit d of all 64 counts in one word. */
  uint64_t digits[7] = {0};
  for (int i = 0; i < m; i++) {
    uint64_t carry = rows[i * step];
#pragma clang loop unroll(full)
    for (int d = 0; d < 7 && 1 << d <= m; d++) {
      const uint64_t next = digits[d] & carry;
      digits[d] ^= carry;
      carry = next;
    }
  }
  uint64_t wrong = 0;
  for (int d = 0; d < 7; d++) wrong |= digits[d] ^ (n >> d & 1 ? ~0ull : 0);
  return wrong;
}

/* The lowest bit of each field of `pitch` bits that has any. */
NMK_INLINE uint64_t group_any(uint64_t x, int pitch) {
  for (int shift = 1; shift < pitch; shift *= 2)
    x |= x >> shift & pitch_pattern(pitch, pitch - shift);
  return x & pitch_pattern(pitch, 1);
}

/* The number of bits set in each field of `pitch` bits, in that field. */
NMK_INLINE uint64_t group_counts(uint64_t x, int pitch) {
  x -= (x >> 1) & 0x5555555555555555;
  if (pitch == 2) return x;
  x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
  if (pitch == 4) return x;
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
  if (pitch == 8) return x;
  x = (x + (x >> 8)) & 0x00ff00ff00ff00ff;
  if (pitch == 16) return x;
  x = (x + (x >> 16)) & 0x0000ffff0000ffff;
  if (pitch == 32) return x;
  return (x + (x >> 32)) & 0xff;
}
