/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Vector types of one instruction set, and the moves between the two layouts of a block of tiles.
 *
 * By rows: as in the matrix, tile after tile, `pitch` entries of each. Magnitudes are read and
 * masks are written so. By lanes: one tile in each lane of a vector, one vector for each entry of
 * a tile. Sweeps run so, in 16 bits: NMK_LANES tiles at once.
 */

#if NMK_LANES == 8
#define NMK_WORDS 4
#elif NMK_LANES == 16
#define NMK_WORDS 8
#else
#define NMK_WORDS 16
#endif

typedef uint16_t vu __attribute__((vector_size(2 * NMK_LANES)));
typedef int16_t vs __attribute__((vector_size(2 * NMK_LANES)));
typedef uint32_t vw __attribute__((vector_size(2 * NMK_LANES)));

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

/* A row of a block in integers. */
typedef union block_row {
  vi chunks[NMK_LANES * NMK_MAX_TILE / CHUNK];
  vw words[2 * NMK_MAX_TILE];
} block_row;

/* The same memory holds now one type, now another: weights in float32 or float64, a mask's bits in
   chunks and in words. Without these types the compiler may take a store to one for no store to
   the other. (Vector types may alias anyway.) */
typedef float __attribute__((may_alias)) block_float;
typedef double __attribute__((may_alias)) block_double;
typedef uint16_t __attribute__((may_alias)) block_chunk;
typedef uint64_t __attribute__((may_alias)) block_word;

/* Adds x where the mask is set; `sum` and x are not negative. */
#if NMK_LANES == 32
#define ADD_WHERE(sum, x, mask) ((sum) = (mask) ? (sum) + (x) : (sum))
#else
#define ADD_WHERE(sum, x, mask) ((sum) += (vd)((vl)(x) & (mask)))
#endif

#define CHOOSE(mask, yes, no) (((yes) & (mask)) | ((no) & ~(mask)))

#define EVENS4 0, 2, 4, 6
#define ODDS4 1, 3, 5, 7
#define LOW4 0, 4, 1, 5
#define HIGH4 2, 6, 3, 7
#define EVENS8 EVENS4, 8, 10, 12, 14
#define ODDS8 ODDS4, 9, 11, 13, 15
#define LOW8 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH8 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS16 EVENS8, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS16 ODDS8, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

NMK_INLINE vw take_evens(vw a, vw b) {
  return __builtin_shufflevector(a, b, PASTE(EVENS, NMK_WORDS));
}
NMK_INLINE vw take_odds(vw a, vw b) {
  return __builtin_shufflevector(a, b, PASTE(ODDS, NMK_WORDS));
}
NMK_INLINE vw zip_low(vw a, vw b) {
  return __builtin_shufflevector(a, b, PASTE(LOW, NMK_WORDS));
}
NMK_INLINE vw zip_high(vw a, vw b) {
  return __builtin_shufflevector(a, b, PASTE(HIGH, NMK_WORDS));
}

/* Turns a row of integers of 16 bits, of which the upper halves do not matter, into lanes: vector j
   holds entry j of each tile.

   Words move, because processors are slow at moving halves: the first half of the tiles goes with
   the second in one, so that tile t ends in lane_of_tile(t). Each round then puts the even entries
   before the odd ones. */
NMK_INLINE void row_to_lanes(const block_row *row, vu *lanes, int m, int pitch) {
  vw x[NMK_MAX_TILE], y[NMK_MAX_TILE];
#pragma clang loop unroll(full)
  for (int k = 0; k < pitch; k++)
    x[k] = (row->words[k] & 0xffff) | row->words[pitch + k] << 16;
  for (int round = 1; round < pitch; round *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch / 2; i++) {
      y[i] = take_evens(x[2 * i], x[2 * i + 1]);
      y[i + pitch / 2] = take_odds(x[2 * i], x[2 * i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch; i++) x[i] = y[i];
  }
  for (int j = 0; j < m; j++) lanes[j] = (vu)x[j];
}

/* The inverse; columns from m on receive `rest`. */
NMK_INLINE void lanes_to_row(const vu *lanes, block_row *row, int m, int pitch, uint16_t rest) {
  vw x[NMK_MAX_TILE], y[NMK_MAX_TILE];
  for (int j = 0; j < pitch; j++) x[j] = (vw)(j < m ? lanes[j] : (vu){0} + rest);
  for (int round = 1; round < pitch; round *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch / 2; i++) {
      y[2 * i] = zip_low(x[i], x[i + pitch / 2]);
      y[2 * i + 1] = zip_high(x[i], x[i + pitch / 2]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < pitch; i++) x[i] = y[i];
  }
#pragma clang loop unroll(full)
  for (int k = 0; k < pitch; k++) {
    row->words[k] = x[k] & 0xffff;
    row->words[pitch + k] = x[k] >> 16;
  }
}

NMK_INLINE int lane_of_tile(int tile) {
  return tile < NMK_WORDS ? 2 * tile : 2 * (tile - NMK_WORDS) + 1;
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
/* The other way. */
NMK_INLINE vl places_of(uint16_t bits) {
  return -__builtin_convertvector(__builtin_bit_cast(vbool, bits), vl);
}
/* Eight bits from `first` on. */
NMK_INLINE vl8 mask_of_eight(uint64_t bits, int first) {
  const vl8 places = {0, 1, 2, 3, 4, 5, 6, 7};
  return -((((vl8){0} + (int64_t)(bits >> first)) >> places) & 1);
}
