/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The n largest of each group of m, in KEY = uint32_t or uint64_t. Included once for each.
 *
 * Keys are integers that order magnitudes exactly, whatever the element type. Among equal ones
 * the lower index goes first.
 */

/* The n-th largest of each lane of count rows of keys, `step` apart: bit by bit from the top, the
   largest threshold that n keys reach. */
NMK_INLINE KEYS FN(nth_largest)(const KEY *keys, ptrdiff_t step, int count, int n, int bits) {
  KEYS threshold = {0};
  for (int bit = bits - 1; bit >= 0; bit--) {
    const KEYS candidate = threshold | ((KEY)1 << bit);
    SIGNED_KEYS reached = {0};
    for (int i = 0; i < count; i++) reached -= *(const KEYS *)(keys + i * step) >= candidate;
    threshold = reached >= n ? candidate : threshold;
  }
  return threshold;
}

/* Keeps the n largest of each column of m rows of 16 keys, `width` apart; bits by rows. */
NMK_INLINE void FN(top_of_columns)(
  const KEY *keys, ptrdiff_t width, int n, int m, int key_bits, uint16_t *bits,
  ptrdiff_t bits_step) {
  if (m <= 16) {
    /* How many each entry is beaten by: one comparison for each pair. */
    SIGNED_KEYS rank[16] = {{0}};
    for (int i = 0; i < m; i++) {
      const KEYS own = *(const KEYS *)(keys + i * width);
      for (int j = i + 1; j < m; j++) {
        const SIGNED_KEYS is_beaten = *(const KEYS *)(keys + j * width) > own;
        rank[i] -= is_beaten;
        rank[j] += is_beaten + 1;
      }
    }
    for (int i = 0; i < m; i++) bits[i * bits_step] = BITS_OF(rank[i] < n);
    return;
  }
  const KEYS threshold = FN(nth_largest)(keys, width, m, n, key_bits);
  SIGNED_KEYS room = (SIGNED_KEYS){0} + n;
  for (int i = 0; i < m; i++) room += *(const KEYS *)(keys + i * width) > threshold;
  for (int i = 0; i < m; i++) {
    const KEYS own = *(const KEYS *)(keys + i * width);
    const SIGNED_KEYS tied = (own == threshold) & (room > 0);
    room += tied;
    bits[i * bits_step] = BITS_OF(tied | (own > threshold));
  }
}

/* Neighbours within groups of a power of two, r places on; those with a lower index beat equals. */
#define AT(M, R, I) (((I) & ~((M)-1)) | (((I) + (R)) & ((M)-1)))
#define AROUND(M, R)                                                                        \
  AT(M, R, 0), AT(M, R, 1), AT(M, R, 2), AT(M, R, 3), AT(M, R, 4), AT(M, R, 5),             \
    AT(M, R, 6), AT(M, R, 7), AT(M, R, 8), AT(M, R, 9), AT(M, R, 10), AT(M, R, 11),         \
    AT(M, R, 12), AT(M, R, 13), AT(M, R, 14), AT(M, R, 15)
#define IS_BEFORE(M, R, I) (AT(M, R, I) < (I))
#define BEFORE(M, R)                                                                        \
  IS_BEFORE(M, R, 0), IS_BEFORE(M, R, 1), IS_BEFORE(M, R, 2), IS_BEFORE(M, R, 3),           \
    IS_BEFORE(M, R, 4), IS_BEFORE(M, R, 5), IS_BEFORE(M, R, 6), IS_BEFORE(M, R, 7),         \
    IS_BEFORE(M, R, 8), IS_BEFORE(M, R, 9), IS_BEFORE(M, R, 10), IS_BEFORE(M, R, 11),       \
    IS_BEFORE(M, R, 12), IS_BEFORE(M, R, 13), IS_BEFORE(M, R, 14), IS_BEFORE(M, R, 15)
/* No key is the largest of its type, so that one more does not overflow. */
#define COMPARE(M, R)                                                                       \
  if (m == M)                                                                               \
    rank -= __builtin_shufflevector(own, own, AROUND(M, R)) + (KEYS){BEFORE(M, R)} > own;

/* Keeps the n largest of each m consecutive ones of 16 keys, m = 2, 4, 8 or 16. */
NMK_INLINE uint16_t FN(top_of_chunk)(const KEY *keys, int n, const int m) {
  const KEYS own = *(const KEYS *)keys;
  SIGNED_KEYS rank = {0};
  COMPARE(2, 1)
  COMPARE(4, 1) COMPARE(4, 2) COMPARE(4, 3)
  COMPARE(8, 1) COMPARE(8, 2) COMPARE(8, 3) COMPARE(8, 4) COMPARE(8, 5) COMPARE(8, 6) COMPARE(8, 7)
  COMPARE(16, 1) COMPARE(16, 2) COMPARE(16, 3) COMPARE(16, 4) COMPARE(16, 5) COMPARE(16, 6)
  COMPARE(16, 7) COMPARE(16, 8) COMPARE(16, 9) COMPARE(16, 10) COMPARE(16, 11) COMPARE(16, 12)
  COMPARE(16, 13) COMPARE(16, 14) COMPARE(16, 15)
  return BITS_OF(rank < n);
}
#undef AT
#undef AROUND
#undef IS_BEFORE
#undef BEFORE
#undef COMPARE

/* Keeps the n largest of m keys, followed by zeros up to a multiple of 16; any m. */
NMK_INLINE void FN(top_of_group)(
  const KEY *keys, int n, int m, int key_bits, uint8_t *row, size_t position) {
  KEY threshold = 0;
  for (int bit = key_bits - 1; bit >= 0; bit--) {
    const KEYS candidate = (KEYS){0} + (threshold | ((KEY)1 << bit));
    int reached = 0;
    for (int k = 0; k < m; k += CHUNK)
      reached += __builtin_popcount(BITS_OF(*(const KEYS *)(keys + k) >= candidate));
    if (reached >= n) threshold |= (KEY)1 << bit;
  }
  int room = n;
  for (int k = 0; k < m; k += CHUNK)
    room -= __builtin_popcount(BITS_OF(*(const KEYS *)(keys + k) > threshold));
  for (int k = 0; k < m; k += CHUNK) {
    const KEYS own = *(const KEYS *)(keys + k);
    unsigned keep = BITS_OF(own > threshold), tied = BITS_OF(own == threshold);
    for (; tied && room > 0; tied &= tied - 1, room--) keep |= tied & -tied;
    put_bits(row, position + (size_t)k, m - k < CHUNK ? m - k : CHUNK, keep);
  }
}

#define PIECE 512

/* The keys of a row's columns first ..< first + count, then zeros up to a multiple of 16. */
NMK_INLINE void FN(load_keys)(
  KEY *restrict keys, const nmk_strip *strip, size_t row, size_t first, int count) {
  const char *from = (const char *)strip->base + (ptrdiff_t)row * strip->row_bytes
    + (ptrdiff_t)first * dtype_bytes(strip->dtype);
  FN(keys_of)(keys, from, count, strip->dtype);
  for (int k = count; k % CHUNK; k++) keys[k] = 0;
}

NMK_INLINE void FN(top_rows_fixed)(const nmk_strip *strip, int n, const int m) {
  _Alignas(64) KEY keys[PIECE];
  uint16_t bits[PIECE / CHUNK];
  const size_t columns = strip->tiles * (size_t)m;
  for (size_t row = 0; row < strip->strips; row++) {
    uint8_t *const out = strip->mask + (ptrdiff_t)row * strip->mask_row_bytes;
    for (size_t first = 0; first < columns; first += PIECE) {
      const int count = columns - first < PIECE ? (int)(columns - first) : PIECE;
      FN(load_keys)(keys, strip, row, first, count);
      for (int k = 0; k < count; k += CHUNK)
        bits[k / CHUNK] = FN(top_of_chunk)(keys + k, n, m);
      /* Groups of zeros beyond the last column keep some of those: they are cut off. */
      if (count % 8) {
        uint8_t *const last = (uint8_t *)bits + count / 8;
        *last &= (uint8_t)((1 << count % 8) - 1);
      }
      memcpy(out + first / 8, bits, (size_t)(count + 7) / 8);
    }
  }
}

static void FN(top_rows)(const nmk_strip *strip, int n, int m) {
  switch (m) {
  case 2: FN(top_rows_fixed)(strip, n, 2); return;
  case 4: FN(top_rows_fixed)(strip, n, 4); return;
  case 8: FN(top_rows_fixed)(strip, n, 8); return;
  case 16: FN(top_rows_fixed)(strip, n, 16); return;
  default: break;
  }
  _Alignas(64) KEY keys[NMK_MAX_GROUP];
  for (size_t row = 0; row < strip->strips; row++) {
    uint8_t *const out = strip->mask + (ptrdiff_t)row * strip->mask_row_bytes;
    for (size_t group = 0; group < strip->tiles; group++) {
      FN(load_keys)(keys, strip, row, group * (size_t)m, m);
      FN(top_of_group)(keys, n, m, key_bits_of(strip->dtype), out, group * (size_t)m);
    }
  }
}

static void FN(top_columns)(const nmk_strip *strip, int n, int m, void *workspace) {
  KEY *const keys = workspace;
  uint16_t *const bits = (uint16_t *)(keys + (size_t)m * PIECE);
  const ptrdiff_t bits_step = PIECE / CHUNK;
  for (size_t s = 0; s < strip->strips; s++) {
    for (size_t first = 0; first < strip->tiles; first += PIECE) {
      const int count = strip->tiles - first < PIECE ? (int)(strip->tiles - first) : PIECE;
      for (int i = 0; i < m; i++)
        FN(load_keys)(keys + i * PIECE, strip, s * (size_t)m + (size_t)i, first, count);
      for (int k = 0; k < count; k += CHUNK)
        FN(top_of_columns)(keys + k, PIECE, n, m, key_bits_of(strip->dtype), bits + k / CHUNK,
          bits_step);
      for (int i = 0; i < m; i++) {
        uint8_t *const row_bits = (uint8_t *)(bits + i * bits_step);
        if (count % 8) row_bits[count / 8] &= (uint8_t)((1 << count % 8) - 1);
        memcpy(
          strip->mask + ((ptrdiff_t)s * m + i) * strip->mask_row_bytes + first / 8, row_bits,
          (size_t)(count + 7) / 8);
      }
    }
  }
}

#undef PIECE
