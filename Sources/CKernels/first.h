/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first pass over a block of tiles, in REAL = float or double. */

/* Loads a block. */
NMK_INLINE void FN(load_block)(
  const engine *e, REAL *restrict weights, const tile_block *block, int m, int pitch) {
  const nmk_dtype dtype = e->strip->dtype;
  const int width = NMK_LANES * pitch, count = block->count;
  for (int i = 0; i < m; i++) {
    REAL *row = weights + i * width, *const end = row + width;
    for (uint32_t s = 0; s < block->strips; s++) {
      const char *from = weights_at(e, block->strip + s, block->first, i);
      if (m == pitch) {
        FN(load)(row, from, count * m, dtype);
      } else {
        for (int t = 0; t < count; t++) {
          FN(load)(row + t * pitch, from + t * m * e->size, m, dtype);
          for (int j = m; j < pitch; j++) row[t * pitch + j] = 0;
        }
      }
      REAL *const next = s + 1 < block->strips ? row + block->stride * pitch : end;
      for (row += count * pitch; row < next; row++) *row = 0;
    }
  }
}

/* What the sweeps found, by rows: the potentials of rows (side 0) or columns (side 1). */
NMK_INLINE void FN(potentials)(
  const engine *e, REAL *restrict potentials, int side, int m, int pitch) {
  block_row row;
  lanes_to_row(side == 0 ? e->lane_u : e->lane_s, &row, m, pitch, OFFSET);
  for (int c = 0; c < NMK_LANES * pitch; c += CHUNK) {
    const vi value = row.chunks[c / CHUNK] - OFFSET;
    *(REALS *)(potentials + c) = __builtin_convertvector(side == 0 ? value : -value, REALS);
  }
}

/* Keeps nothing in columns that only fill up a tile. */
NMK_INLINE void FN(close_columns)(REAL *restrict v, int m, int pitch) {
  for (int t = 0; t < NMK_LANES; t++)
    for (int j = m; j < pitch; j++) v[t * pitch + j] = (REAL)0x1p100;
}

/* The unit of a tile of a block, if it is so coarse that the first finer pass can tell ties apart. */
NMK_INLINE int FN(coarse_unit)(
  const REAL *restrict weights, int lane, int m, int pitch, int finest) {
  /* After adding 1.5 * 2^23 the integer part can be read from the bits. */
  const int width = NMK_LANES * pitch;
  const float factor = float_of_bits((uint32_t)(127 - finest) << 23), magic = 0x1.8p23f;
  uint32_t all = 0;
  bool exact = true;
  for (int i = 0; i < m; i++) {
    const REAL *row = weights + i * width + lane * pitch;
    for (int j = 0; j < pitch; j++) {
      /* Such a double is no multiple of the unit, and may be subnormal in float32, with which some
         processors take a hundred times as long. */
      const REAL w = sizeof(REAL) == 8 && row[j] < (REAL)0x1p-60 ? 0 : row[j];
      const float x = (float)w * factor, shifted = x + magic;
      uint32_t bits;
      memcpy(&bits, &shifted, 4);
      all |= bits;
      exact &= (shifted - magic == x) & ((REAL)(float)w == row[j]);
    }
  }
  if (!exact) return UNIT_UNKNOWN;
  all &= (1u << 22) - 1;
  return all == 0 ? 13 : __builtin_ctz(all) + finest;
}

/* Sends a tile of a block to the pass that suits it. */
NMK_INLINE void FN(send_on)(
  engine *e, const REAL *weights, uint32_t strip, uint32_t place, int lane, int m, int pitch) {
  const nmk_plan *plan = e->plan;
  const int words = (NMK_LANES * pitch + 63) / 64;
  const REAL *const u = (const REAL *)e->u + lane * pitch, *const v = (const REAL *)e->v + lane * pitch;
  const int finest = plan->path_bits + COARSE_TIE_BITS - FIRST_ZOOM_BITS;
  const int unit = FN(coarse_unit)(weights, lane, m, pitch, finest);
  const bool is_near = imbalance(e, e->bits, words, lane) <= plan->near;
  const int pass = unit != UNIT_UNKNOWN || is_near ? 1 : DEEP_PASS;
  pending_tile *const entry = enqueue(e, pass, strip, place);
  entry->unit = unit;
  for (int j = 0; j < m; j++) {
    entry->u[j] = u[j];
    entry->v[j] = v[j];
  }
}

/* Under at_most a tile is settled only if a shift makes all its potentials non-negative. */
NMK_INLINE void FN(check_potentials)(const engine *e, int count, int m, int pitch) {
  const REAL *u = e->u, *v = e->v;
  for (int t = 0; t < count; t++, u += pitch, v += pitch) {
    REAL least_u = u[0], least_v = v[0];
    for (int j = 1; j < m; j++) {
      least_u = u[j] < least_u ? u[j] : least_u;
      least_v = v[j] < least_v ? v[j] : least_v;
    }
    if (least_u + least_v < 0) e->unsettled[t * pitch / 64] |= 1ull << t * pitch % 64;
  }
}

/* Adds what the settled tiles of a block keep, and what all of them hold. */
NMK_INLINE void FN(add_up)(engine *e, int pitch) {
  const REAL *inverse = e->inverse;
  const uint64_t whole = pitch == 64 ? ~0ull : (1ull << pitch) - 1;
  for (int c = 0; c < NMK_LANES * pitch; c += CHUNK) {
    const vd scale = __builtin_convertvector(*(const REALS *)(inverse + c), vd);
    const vd kept = *(const vd *)(e->kept_columns + c) * scale;
    const uint64_t open = group_any(e->unsettled[c / 64], pitch) * whole;
    ADD_WHERE(e->kept_sum, kept, places_of((uint16_t)~(open >> c % 64)));
    e->total_sum += *(const vd *)(e->total_columns + c) * scale;
  }
}

NMK_INLINE block_state FN(first_pass)(
  engine *e, const tile_block *block, const int m, const int pitch) {
  const nmk_plan *plan = e->plan;
  const int width = NMK_LANES * pitch, words = (width + 63) / 64;
  REAL *weights = e->weights, *inverse = e->inverse, *u = e->u, *v = e->v;
  FN(load_block)(e, weights, block, m, pitch);
  const block_state state = FN(find_scales)(weights, inverse, m, pitch);
  if (state != BLOCK_READY && (state == BLOCK_NOT_FINITE || sizeof(REAL) == 4)) return state;
  FN(scale)(weights, inverse, m, pitch);
  FN(quantise)(weights, e->q, m, pitch);
  for (int j = 0; j < m; j++) e->lane_s[j] = (vu){0} + OFFSET;
  e->sweep(plan, e->q, e->lane_u, e->lane_s, plan->sweeps[0], plan->at_most);
  FN(potentials)(e, u, 0, m, pitch);
  FN(potentials)(e, v, 1, m, pitch);
  if (m < pitch) FN(close_columns)(v, m, pitch);
  FN(read_signs)(plan, weights, NULL, u, v, m, pitch, e->bits, e->unsettled, e->kept_columns,
    e->total_columns);
  if (plan->at_most) FN(check_potentials)(e, NMK_LANES, m, pitch);

  for (uint32_t s = 0; s < block->strips; s++) {
    const int lane = (int)s * block->stride;
    if (m == pitch) {
      const size_t bytes = ((size_t)block->count * (size_t)m + 7) / 8;
      for (int i = 0; i < m; i++)
        memcpy(mask_row(e, block->strip + s, i) + (size_t)block->first * (size_t)m / 8,
          (const char *)(e->bits + i * words) + lane * m / 8, bytes);
    } else {
      for (int t = 0; t < block->count; t++)
        put_tile(e, block->strip + s, block->first + (uint32_t)t, e->bits, words, lane + t);
    }
  }
  FN(add_up)(e, pitch);
  uint64_t settled = block->strips * (uint64_t)block->count;
  for (int k = 0; k < words; k++) {
    for (uint64_t open = group_any(e->unsettled[k], pitch); open; open &= open - 1) {
      const int t = (64 * k + __builtin_ctzll(open)) / pitch;
      const uint32_t strip = block->strip + (uint32_t)(t / block->stride);
      const int place = t % block->stride;
      if (place >= block->count || strip - block->strip >= block->strips) continue;
      settled--;
      if (pitch == 2) {
        const REAL *const w = weights + t * 2;
        settle_pair(e, strip, block->first + (uint32_t)place, w[0], w[1], w[width], w[width + 1],
          inverse[t * pitch]);
      } else {
        FN(send_on)(e, weights, strip, block->first + (uint32_t)place, t, m, pitch);
      }
    }
  }
  e->sums->settled[0] += settled;
  return BLOCK_READY;
}

#define FIRST_PASS(P)                                                                       \
  static block_state FN(first_pass_##P)(engine *e, const tile_block *block) {               \
    return e->plan->m == P ? FN(first_pass)(e, block, P, P)                                 \
                           : FN(first_pass)(e, block, e->plan->m, P);                       \
  }
FIRST_PASS(2)
FIRST_PASS(4)
FIRST_PASS(8)
FIRST_PASS(16)
FIRST_PASS(32)
FIRST_PASS(64)
#undef FIRST_PASS

static block_state FN(first_pass_any)(engine *e, const tile_block *block) {
  switch (e->plan->pitch) {
  case 2: return FN(first_pass_2)(e, block);
  case 4: return FN(first_pass_4)(e, block);
  case 8: return FN(first_pass_8)(e, block);
  case 16: return FN(first_pass_16)(e, block);
  case 32: return FN(first_pass_32)(e, block);
  default: return FN(first_pass_64)(e, block);
  }
}
