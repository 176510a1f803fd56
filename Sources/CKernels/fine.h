/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The finer passes over a block of tiles that the passes before did not settle, in REAL. */

/* Loads a block of tiles from anywhere. */
NMK_INLINE void FN(load_tiles)(
  const engine *e, const pending_tile *tiles, int count, REAL *restrict weights, int m,
  int pitch) {
  const nmk_strip *strip = e->strip;
  const int width = NMK_LANES * pitch;
  const ptrdiff_t size = dtype_bytes(strip->dtype);
  for (int i = 0; i < m; i++) {
    REAL *row = weights + i * width;
    const char *from = (const char *)strip->base + i * strip->row_bytes;
    for (int t = 0; t < count; t++) {
      FN(load)(row + t * pitch, from + (ptrdiff_t)tiles[t].tile * m * size, m, strip->dtype);
      for (int j = m; j < pitch; j++) row[t * pitch + j] = 0;
    }
    for (int k = count * pitch; k < width; k++) row[k] = 0;
  }
}

/* The unit of which all of a tile's scaled weights are multiples, as its logarithm; left unknown
   where it is below FINEST. */
NMK_INLINE void FN(find_units)(
  engine *e, const REAL *restrict weights, pending_tile *tiles, int count, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  /* After adding 1.5 * 2^52 (2^23 in float32) the integer part can be read from the bits. */
  const REAL magic = MAGIC, finest = FINEST;
  INTS *const result = e->scratch;
  for (int c = 0; c < width; c += CHUNK) {
    INTS low_bits = {0}, inexact = {0};
    for (int i = 0; i < m; i++) {
      const REALS x = *(const REALS *)(weights + i * width + c) * finest;
      const REALS shifted = x + magic;
      low_bits |= (INTS)shifted;
      inexact |= shifted - magic != x;
    }
    result[c / CHUNK] = (low_bits & MAGIC_MASK) | (inexact & ~(INT)MAGIC_MASK);
  }
  for (int t = 0; t < count; t++) {
    INT all = 0;
    for (int j = 0; j < pitch; j++) all |= ((const INT *)result)[t * pitch + j];
    if (all & ~(INT)MAGIC_MASK) continue;
    tiles[t].unit = all == 0 ? 13 : __builtin_ctzll((uint64_t)all) - FINEST_BITS;
  }
}

/* The reduced costs in the finer unit, as far as 14 bits reach: beyond that only the sign counts. */
NMK_INLINE void FN(quantise_around)(
  engine *e, const REAL *restrict weights, const REAL *restrict u, const REAL *restrict v,
  const REAL *restrict zoom, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  for (int i = 0; i < m; i++) {
    union {
      v16u chunks[NMK_LANES * NMK_MAX_TILE / CHUNK];
      vu lanes[NMK_MAX_TILE];
    } row;
    for (int c = 0; c < width; c += CHUNK) {
      const REAL *const chunk_u = u + (pitch > CHUNK ? c & ~(pitch - 1) : c);
      REALS w = *(const REALS *)(weights + i * width + c);
      w -= FN(spread)(chunk_u, i, pitch) + *(const REALS *)(v + c);
      w = w * *(const REALS *)(zoom + c) + (REAL)(CENTRE + 0.5);
      const REALS most = (REALS){0} + (REAL)(2 * CENTRE - 1);
      w = (REALS)CHOOSE(w > most, (INTS)most, (INTS)w & (w > 0));
      row.chunks[c / CHUNK] = __builtin_convertvector(__builtin_convertvector(w, vi), v16u);
    }
    rows_to_lanes(row.lanes, pitch);
    for (int j = 0; j < m; j++) e->q[i * m + j] = row.lanes[j];
  }
}

/* False if these tiles need the wider REAL. */
NMK_INLINE bool FN(fine_pass)(engine *e, int pass, const int m, const int pitch) {
  static const double finer[FINE_PASSES + 1] = {1, 16, 64, 256};
  const nmk_plan *plan = e->plan;
  struct queue *const queue = &e->queues[pass];
  const int count = queue->count < NMK_LANES ? queue->count : NMK_LANES;
  /* The last ones, so that the rest need not move. */
  pending_tile *const tiles = queue->entries + queue->count - count;
  const int width = NMK_LANES * pitch, words = (width + 63) / 64;
  REAL *weights = e->weights, *u = e->u, *v = e->v, *inverse = e->inverse;
  REAL *zoom = e->zoom, *step = e->step, *scratch = e->scratch;
  FN(load_tiles)(e, tiles, count, weights, m, pitch);
  if (FN(find_scales)(weights, inverse, m, pitch) != BLOCK_READY && sizeof(REAL) == 4)
    return false;
  queue->count -= count;
  FN(scale)(weights, inverse, m, pitch);
  if (pass <= 2) FN(find_units)(e, weights, tiles, count, m, pitch);

  vu raised_lanes = {0};
  bool any_raised = false;
  for (int t = 0; t < NMK_LANES; t++) {
    REAL tile_zoom = 1, tile_step = 0;
    if (t < count) {
      pending_tile *tile = &tiles[t];
      const double next = tile->zoom * finer[pass];
      tile->is_raised = false;
      tile->zoom = next;
      if (tile->unit != UNIT_UNKNOWN) {
        /* 2^(path_bits + tie_bits) of the new units make one unit of the weights. */
        const double lattice = __builtin_ldexp(1, plan->path_bits + plan->tie_bits - tile->unit);
        if (lattice <= next) {
          tile->is_raised = any_raised = true;
          tile->zoom = lattice;
          tile_step = (REAL)(1 / lattice);
          raised_lanes[t] = 0xffff;
        }
      }
      tile_zoom = (REAL)tile->zoom;
    }
    for (int j = 0; j < pitch; j++) {
      u[t * pitch + j] = t < count && j < m ? (REAL)tiles[t].u[j] : 0;
      v[t * pitch + j] = t < count && j < m ? (REAL)tiles[t].v[j] : 0;
      zoom[t * pitch + j] = tile_zoom;
      step[t * pitch + j] = tile_step;
    }
  }
  FN(quantise_around)(e, weights, u, v, zoom, m, pitch);
  if (any_raised) {
    const int row = pitch > CHUNK ? pitch : CHUNK;
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++)
        e->q[i * m + j] += raised_lanes & plan->tie_break[i * row + j];
  }
  for (int j = 0; j < m; j++) e->lane_s[j] = (vu){0} + OFFSET;
  e->sweep(plan, e->q, e->lane_u, e->lane_s, e->sweeps[1]);
  for (int side = 0; side < 2; side++) {
    REAL *const sum = side == 0 ? u : v;
    FN(potentials)(e, scratch, side, m, pitch);
    for (int c = 0; c < width; c += CHUNK) {
      const REALS change = *(const REALS *)(scratch + c) - (REAL)(side == 0 ? CENTRE : 0);
      *(REALS *)(sum + c) += change / *(const REALS *)(zoom + c);
    }
  }
  if (m < pitch) FN(close_columns)(v, m, pitch);
  FN(read_signs)(plan, weights, any_raised ? step : NULL, u, v, m, pitch, e->bits, e->unsettled,
    e->kept_columns, e->total_columns);

  for (int t = 0; t < count; t++) {
    pending_tile *tile = &tiles[t];
    if (tile_bits(e->unsettled, t, pitch) == 0) {
      put_tile(e, tile->tile, e->bits, words, t);
      e->kept[tile->tile] = e->kept_columns[t] * inverse[t * pitch];
      e->sums->settled[1]++;
      continue;
    }
    const bool is_last = tile->is_raised || pass == FINE_PASSES;
    struct queue *const next = &e->queues[is_last ? pass : pass + 1];
    pending_tile *const entry = is_last ? tile : &next->entries[next->count++];
    entry->tile = tile->tile;
    entry->unit = tile->unit;
    entry->is_raised = tile->is_raised;
    entry->zoom = tile->zoom;
    for (int j = 0; j < m; j++) {
      entry->u[j] = u[t * pitch + j];
      entry->v[j] = v[t * pitch + j];
    }
    if (is_last) settle_alone(e, entry);
  }
  return true;
}

#define FINE_PASS(P)                                                 \
  static bool FN(fine_pass_##P)(engine *e, int pass) {               \
    return e->plan->m == P ? FN(fine_pass)(e, pass, P, P)            \
                           : FN(fine_pass)(e, pass, e->plan->m, P);  \
  }
FINE_PASS(2)
FINE_PASS(4)
FINE_PASS(8)
FINE_PASS(16)
FINE_PASS(32)
FINE_PASS(64)
#undef FINE_PASS

static bool FN(fine_pass_any)(engine *e, int pass) {
  switch (e->plan->pitch) {
  case 2: return FN(fine_pass_2)(e, pass);
  case 4: return FN(fine_pass_4)(e, pass);
  case 8: return FN(fine_pass_8)(e, pass);
  case 16: return FN(fine_pass_16)(e, pass);
  case 32: return FN(fine_pass_32)(e, pass);
  default: return FN(fine_pass_64)(e, pass);
  }
}
