/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Vector types of one instruction set, and the moves between the two layouts of a block of tiles.
 *
 * By rows: as in the matrix, tile after tile, `pitch` entries of each. Magnitudes are read and
 * masks are written so. By lanes: one tile in each lane of a vector, one vector for each entry of
 * a tile. Sweeps run so, in 16 bits: NMK_LANES tiles at once.
 */

typedef uint16_t vu __attribute__((vector_size(2 * NMK_LANES)));
typedef int16_t vs __attribute__((vector_size(2 * NMK_LANES)));

/* Sixteen columns of a row. */
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
/* Their memory is aligned to cache lines, as all of it, and not to the 128 bytes of their size. */
typedef double vd __attribute__((ext_vector_type(16), aligned(64)));
typedef int64_t vl __attribute__((ext_vector_type(16), aligned(64)));
/* One entry of each of eight tiles. */
typedef double vd8 __attribute__((ext_vector_type(8)));
typedef int64_t vl8 __attribute__((ext_vector_type(8)));
typedef uint16_t v8u __attribute__((ext_vector_type(8)));
typedef bool vbool8 __attribute__((ext_vector_type(8)));
typedef uint16_t v16u __attribute__((vector_size(32)));
typedef bool vbool __attribute__((ext_vector_type(16)));

#define CHUNK 16

/* The same memory holds now one type, now another: weights in float32 or float64, a mask's bits in
   chunks and in words. Without these types the compiler may take a store to one for no store to
   the other. (Vector types may alias anyway.) */
typedef float __attribute__((may_alias)) block_float;
typedef double __attribute__((may_alias)) block_double;
typedef uint16_t __attribute__((may_alias)) block_chunk;
typedef uint64_t __attribute__((may_alias)) block_word;

#define CHOOSE(mask, yes, no) (((yes) & (mask)) | ((no) & ~(mask)))

#define EVENS8 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS8 1, 3, 5, 7, 9, 11, 13, 15
#define EVENS16 EVENS8, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS16 ODDS8, 17, 19, 21, 23, 25, 27, 29, 31
#define EVENS32 EVENS16, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62
#define ODDS32 ODDS16, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63
#define LOW8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH8 4, 12, 5, 13, 6, 14, 7, 15
#define LOW16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define LOW32                                                                                 \
  0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12,  \
    44, 13, 45, 14, 46, 15, 47
#define HIGH32                                                                                \
  16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, \
    59, 28, 60, 29, 61, 30, 62, 31, 63
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

NMK_INLINE vu take_evens(vu a, vu b) {
  return __builtin_shufflevector(a, b, PASTE(EVENS, NMK_LANES));
}
NMK_INLINE vu take_odds(vu a, vu b) {
  return __builtin_shufflevector(a, b, PASTE(ODDS, NMK_LANES));
}
NMK_INLINE vu zip_low(vu a, vu b) {
  return __builtin_shufflevector(a, b, PASTE(LOW, NMK_LANES));
}
NMK_INLINE vu zip_high(vu a, vu b) {
  return __builtin_shufflevector(a, b, PASTE(HIGH, NMK_LANES));
}

/* From rows to lanes: vector j of the result holds entry j of each group of `pitch` entries of x.
   Each round moves the even entries before the odd ones. */
NMK_INLINE void rows_to_lanes(vu *x, int pitch) {
  vu y[NMK_MAX_TILE];
  for (int round = 1; round < pitch; round *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch / 2; i++) {
      y[i] = take_evens(x[2 * i], x[2 * i + 1]);
      y[i + pitch / 2] = take_odds(x[2 * i], x[2 * i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch; i++) x[i] = y[i];
  }
}

/* The inverse. */
NMK_INLINE void lanes_to_rows(vu *x, int pitch) {
  vu y[NMK_MAX_TILE];
  for (int round = 1; round < pitch; round *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch / 2; i++) {
      y[2 * i] = zip_low(x[i], x[i + pitch / 2]);
      y[2 * i + 1] = zip_high(x[i], x[i + pitch / 2]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch; i++) x[i] = y[i];
  }
}

NMK_INLINE uint16_t bits_of(vi mask) {
  return __builtin_bit_cast(uint16_t, __builtin_convertvector(mask, vbool));
}
NMK_INLINE uint16_t bits_of_wide(vl mask) {
  return __builtin_bit_cast(uint16_t, __builtin_convertvector(mask, vbool));
}
NMK_INLINE uint8_t bits_of_eight(vl8 mask) {
  return __builtin_bit_cast(uint8_t, __builtin_convertvector(mask, vbool8));
}
/* The other way: eight bits from `first` on, as masks. */
NMK_INLINE vl8 mask_of_eight(uint64_t bits, int first) {
  const vl8 places = {0, 1, 2, 3, 4, 5, 6, 7};
  return -((((vl8){0} + (int64_t)(bits >> first)) >> places) & 1);
}
