/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The n largest of each group along rows or down columns, with their sums. */

typedef uint32_t v16k __attribute__((ext_vector_type(16)));
typedef int32_t v16i __attribute__((ext_vector_type(16)));
typedef uint64_t v16k64 __attribute__((ext_vector_type(16), aligned(64)));

NMK_INLINE uint16_t bits_of_keys(v16i mask) {
  return __builtin_bit_cast(uint16_t, __builtin_convertvector(mask, vbool));
}

/* The keys' bits: the magnitudes of the widest integers have one more than their sign leaves. */
NMK_INLINE int key_bits_of(nmk_dtype dtype) {
  switch (dtype) {
  case NMK_I8: case NMK_U8: return 8;
  case NMK_F16: case NMK_BF16: return 15;
  case NMK_I16: return 16;
  case NMK_F32: return 31;
  case NMK_I32: return 32;
  case NMK_F64: return 63;
  default: return 64;
  }
}

#define LOOP(TYPE, VALUE)                                       \
  for (ptrdiff_t k = 0; k < count; k++) {                       \
    TYPE x;                                                     \
    memcpy(&x, from + k * (ptrdiff_t)sizeof(TYPE), sizeof(TYPE)); \
    keys[k] = VALUE;                                            \
  }                                                             \
  break

NMK_INLINE void keys_of_short(
  uint32_t *restrict keys, const char *restrict from, ptrdiff_t count, nmk_dtype dtype) {
  switch (dtype) {
  case NMK_F32: LOOP(uint32_t, x & 0x7fffffff);
  case NMK_F16: case NMK_BF16: LOOP(uint16_t, x & 0x7fffu);
  case NMK_I8: LOOP(int8_t, (uint32_t)(x < 0 ? -(int32_t)x : (int32_t)x));
  case NMK_U8: LOOP(uint8_t, x);
  case NMK_I16: LOOP(int16_t, (uint32_t)(x < 0 ? -(int32_t)x : (int32_t)x));
  case NMK_I32: LOOP(int32_t, x < 0 ? -(uint32_t)x : (uint32_t)x);
  default: break;
  }
}

NMK_INLINE void keys_of_long(
  uint64_t *restrict keys, const char *restrict from, ptrdiff_t count, nmk_dtype dtype) {
  switch (dtype) {
  case NMK_F64: LOOP(uint64_t, x & 0x7fffffffffffffff);
  case NMK_I64: LOOP(int64_t, x < 0 ? -(uint64_t)x : (uint64_t)x);
  default: break;
  }
}
#undef LOOP

#undef FN
#undef BITS_OF
#define KEY uint32_t
#define KEYS v16k
#define SIGNED_KEYS v16i
#define FN(name) name##_short
#define BITS_OF bits_of_keys
#include "top.h"
#undef KEY
#undef KEYS
#undef SIGNED_KEYS
#undef FN
#undef BITS_OF

#define KEY uint64_t
#define KEYS v16k64
#define SIGNED_KEYS vl
#define FN(name) name##_long
#define BITS_OF bits_of_wide
#include "top.h"
#undef KEY
#undef KEYS
#undef SIGNED_KEYS
#undef FN
#undef BITS_OF

/* Adds up rows: in 16 lanes over the columns of a row, these pairwise, and row after row. */
NMK_INLINE void add_rows(
  const nmk_strip *strip, size_t rows, size_t columns, nmk_sums *sums) {
  for (size_t row = 0; row < rows; row++) {
    const char *from = (const char *)strip->base + (ptrdiff_t)row * strip->row_bytes;
    const uint8_t *bits = strip->mask + (ptrdiff_t)row * strip->mask_row_bytes;
    vd kept = {0}, total = {0};
    _Alignas(64) double values[256];
    for (size_t first = 0; first < columns; first += 256) {
      const int count = columns - first < 256 ? (int)(columns - first) : 256;
      load_double(
        values, from + (ptrdiff_t)first * dtype_bytes(strip->dtype), count, strip->dtype);
      for (int k = count; k % CHUNK; k++) values[k] = 0;
      for (int k = 0; k < count; k += CHUNK) {
        uint16_t chunk = bits[(first + (size_t)k) / 8];
        if (count - k > 8) chunk |= (uint16_t)(bits[(first + (size_t)k) / 8 + 1] << 8);
        const vl keep = -__builtin_convertvector(__builtin_bit_cast(vbool, chunk), vl);
        const vd x = *(const vd *)(values + k);
        total += x;
        kept += (vd)((vl)x & keep);
      }
    }
    double kept_lanes[CHUNK], total_lanes[CHUNK];
    memcpy(kept_lanes, &kept, sizeof(kept));
    memcpy(total_lanes, &total, sizeof(total));
    sums->kept += sum_pairwise(kept_lanes, CHUNK);
    sums->total += sum_pairwise(total_lanes, CHUNK);
  }
}

static void top_n(
  const nmk_strip *strip, int n, int m, bool down_columns, void *workspace, nmk_sums *sums) {
  *sums = (nmk_sums){.nonfinite = -1};
  const bool is_long = strip->dtype == NMK_F64 || strip->dtype == NMK_I64;
  if (down_columns) {
    (is_long ? top_columns_long : top_columns_short)(strip, n, m, workspace);
    add_rows(strip, strip->strips * (size_t)m, strip->tiles, sums);
  } else {
    (is_long ? top_rows_long : top_rows_short)(strip, n, m);
    add_rows(strip, strip->strips, strip->tiles * (size_t)m, sums);
  }
}
