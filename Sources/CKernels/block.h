/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The steps on a block of NMK_LANES tiles that touch its weights, in REAL = float or double.
 *
 * `weights` holds the block by rows: m rows of NMK_LANES * pitch entries, zero beyond column m of
 * a tile and beyond the last tile. Included once for each REAL.
 */

/* Finds the power of two that takes the largest magnitude of each tile into 2^13 ..< 2^14; writes
   its inverse for each of the tile's columns. */
NMK_INLINE block_state FN(find_scales)(
  const REAL *restrict weights, REAL *restrict inverse, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  INTS above = {0}, small = {0};
  for (int c = 0; c < width; c += CHUNK) {
    INTS largest = {0};
    for (int i = 0; i < m; i++) {
      const INTS w = *(const INTS *)(weights + i * width + c);
      largest = __builtin_elementwise_max(w, largest);
    }
    above = __builtin_elementwise_max(largest, above);
    *(INTS *)(inverse + c) = largest;
  }
  INT largest = 0;
  for (int k = 0; k < CHUNK; k++) largest = above[k] > largest ? above[k] : largest;
  if (largest >= INFINITY_BITS) return BLOCK_NOT_FINITE;

  const int step = pitch > CHUNK ? pitch : CHUNK;
  for (int c = 0; c < width; c += step) {
    INTS x = *(INTS *)(inverse + c);
    for (int k = CHUNK; k < pitch; k += CHUNK) {
      x = __builtin_elementwise_max(x, *(INTS *)(inverse + c + k));
    }
#define TAKE_LARGER(...) \
  x = __builtin_elementwise_max(x, (INTS)__builtin_shufflevector(x, x, __VA_ARGS__))
    TAKE_LARGER(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    if (pitch > 2) TAKE_LARGER(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    if (pitch > 4) TAKE_LARGER(4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    if (pitch > 8) TAKE_LARGER(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
#undef TAKE_LARGER
    INTS exponent = x & INFINITY_BITS;
    small |= (x != 0) & (exponent < LEAST_EXPONENT);
    exponent = __builtin_elementwise_max(exponent, (INTS){0} + LEAST_EXPONENT);
    exponent = CHOOSE(x == 0, (INTS){0} + ONE_BITS, exponent);
    for (int k = 0; k < step; k += CHUNK)
      *(INTS *)(inverse + c + k) = exponent - 13 * EXPONENT_STEP;
  }
  /* Scaled down far enough, the smallest entries would not be the same any more. */
  if (sizeof(REAL) == 4 && largest > ONE_BITS + 13 * EXPONENT_STEP) {
    for (int c = 0; c < width; c += CHUNK) {
      const INTS exponent = *(INTS *)(inverse + c) + 13 * EXPONENT_STEP;
      for (int i = 0; i < m; i++) {
        const INTS w = *(const INTS *)(weights + i * width + c);
        small |= (w != 0) & (w < exponent - 139 * EXPONENT_STEP);
      }
    }
  }
  INT any = 0;
  for (int k = 0; k < CHUNK; k++) any |= small[k];
  return any ? BLOCK_SUBNORMAL : BLOCK_READY;
}

/* Scales the weights in place. */
NMK_INLINE void FN(scale)(REAL *restrict weights, const REAL *restrict inverse, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  for (int c = 0; c < width; c += CHUNK) {
    const INTS bits = (INTS){0} + TWICE_ONE_BITS - *(const INTS *)(inverse + c);
    const REALS factor = (REALS)bits;
    for (int i = 0; i < m; i++) *(REALS *)(weights + i * width + c) *= factor;
  }
}

/* The nearest integer, even where two are, in the low 16 bits: REAL has no bits left for more
   beside ROUNDING. */
NMK_INLINE vi FN(rounded)(REALS x) { return LOW_WORDS((INTS)(x + (REAL)ROUNDING)); }

/* Rounds the scaled weights to integers and turns them into lanes. */
NMK_INLINE void FN(quantise)(const REAL *restrict weights, vu *restrict q, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  for (int i = 0; i < m; i++) {
    block_row row;
    for (int c = 0; c < width; c += CHUNK)
      row.chunks[c / CHUNK] = FN(rounded)(*(const REALS *)(weights + i * width + c));
    row_to_lanes(&row, q + i * m, m, pitch);
  }
}

#define SPREAD2(I) I, I, 2 + I, 2 + I, 4 + I, 4 + I, 6 + I, 6 + I, 8 + I, 8 + I, 10 + I, 10 + I, 12 + I, 12 + I, 14 + I, 14 + I
#define SPREAD4(I) I, I, I, I, 4 + I, 4 + I, 4 + I, 4 + I, 8 + I, 8 + I, 8 + I, 8 + I, 12 + I, 12 + I, 12 + I, 12 + I
#define SPREAD8(I) I, I, I, I, I, I, I, I, 8 + I, 8 + I, 8 + I, 8 + I, 8 + I, 8 + I, 8 + I, 8 + I
#define SPREAD_CASE(P, I) \
  case P * 8 + I: return __builtin_shufflevector(x, x, SPREAD##P(I))

/* u_i of each tile in each of the tile's columns of a chunk that starts at `u`. */
NMK_INLINE REALS FN(spread)(const REAL *restrict u, int i, int pitch) {
  if (pitch >= CHUNK) return (REALS){0} + u[i];
  const REALS x = *(const REALS *)u;
  switch (pitch * 8 + i) {
    SPREAD_CASE(2, 0); SPREAD_CASE(2, 1);
    SPREAD_CASE(4, 0); SPREAD_CASE(4, 1); SPREAD_CASE(4, 2); SPREAD_CASE(4, 3);
    SPREAD_CASE(8, 0); SPREAD_CASE(8, 1); SPREAD_CASE(8, 2); SPREAD_CASE(8, 3);
    SPREAD_CASE(8, 4); SPREAD_CASE(8, 5); SPREAD_CASE(8, 6); SPREAD_CASE(8, 7);
  default: __builtin_unreachable();
  }
}

/* The tie break of row i in the chunk at column c. */
NMK_INLINE REALS FN(tie_row)(const nmk_plan *plan, int i, int c, int pitch) {
  const int row = pitch > CHUNK ? pitch : CHUNK;
  v16u x;
  memcpy(&x, plan->tie_break + i * row + (c & (row - 1)), sizeof(x));
  return __builtin_convertvector(__builtin_convertvector(x >> TIE_SHIFT, vi), REALS);
}

/*
 * Reads the mask off the signs of w - u - v.
 *
 * u and v are multiples of one power of two, so small that their sum is exact; so is each
 * comparison. `bits` receives the mask by rows, and `unsettled` a bit that is set somewhere in
 * the columns of each tile that has a row or a column without exactly n entries. A mask that has
 * none is the best: every entry kept has w >= u + v, every other one w <= u + v. `kept` and `total`
 * receive what each column keeps and holds.
 *
 * `tie_step` (or NULL) is the unit of the tie break for each column: the mask is read off the raised
 * weights, the sums do without.
 */
NMK_INLINE void FN(read_signs)(
  const nmk_plan *plan, const REAL *restrict weights, const REAL *restrict tie_step,
  const REAL *restrict u, const REAL *restrict v, int m, int pitch, block_word *restrict bits,
  block_word *restrict unsettled, double *restrict kept, double *restrict total) {
  const int width = NMK_LANES * pitch, words = (width + 63) / 64, n = plan->n;
  if (width < 64)
    for (int i = 0; i < m; i++) bits[i] = 0;
  for (int c = 0; c < width; c += CHUNK) {
    const REAL *const chunk_u = u + (pitch > CHUNK ? c & ~(pitch - 1) : c);
    const REALS chunk_v = *(const REALS *)(v + c);
    vd kept_sum = {0}, total_sum = {0};
    block_chunk *out = (block_chunk *)bits + c / CHUNK;
#define READ_ROW(I)                                                                        \
  do {                                                                                     \
    const REALS w = *(const REALS *)(weights + (I) * width + c);                           \
    REALS raised = w;                                                                      \
    if (tie_step)                                                                          \
      raised += *(const REALS *)(tie_step + c) * FN(tie_row)(plan, I, c, pitch);           \
    const INTS keep = raised > FN(spread)(chunk_u, I, pitch) + chunk_v;                    \
    out[(I) * words * 4] = BITS_OF(keep);                                                  \
    const vd wide = __builtin_convertvector(w, vd);                                        \
    total_sum += wide;                                                                     \
    ADD_WHERE(kept_sum, wide, __builtin_convertvector(keep, vl));                          \
  } while (0)
    if (pitch < CHUNK) {
#pragma clang loop unroll(full)
      for (int i = 0; i < pitch; i++)
        if (i < m) READ_ROW(i);
    } else {
      for (int i = 0; i < m; i++) READ_ROW(i);
    }
#undef READ_ROW
    *(vd *)(kept + c) = kept_sum;
    *(vd *)(total + c) = total_sum;
  }
  /* Columns that only fill up a tile hold nothing, and are not wrong. */
  const uint64_t real_columns = pitch_pattern(pitch, m);
  const uint64_t wanted = pitch_pattern(pitch, 1) * (uint64_t)n;
  for (int k = 0; k < words; k++) {
    uint64_t wrong = columns_without(bits + k, words, m, n) & real_columns;
    for (int i = 0; i < m; i++) wrong |= group_counts(bits[i * words + k], pitch) ^ wanted;
    unsettled[k] = wrong;
  }
}

/* What a tile keeps, of what its columns do. */
NMK_INLINE double FN(kept_of_tile)(const double *kept, int lane, int pitch) {
  _Alignas(64) double columns[NMK_MAX_TILE];
  memcpy(columns, kept + lane * pitch, sizeof(double) * (size_t)pitch);
  return sum_pairwise(columns, pitch);
}

#undef SPREAD2
#undef SPREAD4
#undef SPREAD8
#undef SPREAD_CASE
