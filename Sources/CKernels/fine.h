/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The finer passes over a block of tiles that the passes before did not settle, in REAL. */

/* Loads a block of tiles from anywhere. */
NMK_INLINE void FN(load_tiles)(
  const engine *e, const pending_tile *tiles, int count, REAL *restrict weights, int m,
  int pitch) {
  const int width = NMK_LANES * pitch;
  for (int i = 0; i < m; i++) {
    REAL *row = weights + i * width;
    for (int t = 0; t < count; t++) {
      FN(load)(
        row + t * pitch, weights_at(e, tiles[t].strip, tiles[t].place, i), m, e->strip->dtype);
      for (int j = m; j < pitch; j++) row[t * pitch + j] = 0;
    }
    for (int k = count * pitch; k < width; k++) row[k] = 0;
  }
}

/* The reduced costs in the finer unit, as far as 14 bits reach: beyond that only the sign counts. */
NMK_INLINE void FN(quantise_around)(
  engine *e, const REAL *restrict weights, const REAL *restrict u, const REAL *restrict v,
  const REAL *restrict zoom, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  for (int i = 0; i < m; i++) {
    block_row row;
    for (int c = 0; c < width; c += CHUNK) {
      const REAL *const chunk_u = u + (pitch > CHUNK ? c & ~(pitch - 1) : c);
      REALS w = *(const REALS *)(weights + i * width + c);
      w -= FN(spread)(chunk_u, i, pitch) + *(const REALS *)(v + c);
      w = w * *(const REALS *)(zoom + c) + (REAL)CENTRE;
      const REALS most = (REALS){0} + (REAL)(2 * CENTRE - 1);
      w = (REALS)CHOOSE(w > most, (INTS)most, (INTS)w & (w > 0));
      row.chunks[c / CHUNK] = FN(rounded)(w);
    }
    row_to_lanes(&row, e->q + i * m, m, pitch);
  }
}

/* False if these tiles need the wider REAL. */
NMK_INLINE bool FN(fine_pass)(engine *e, int pass, const int m, const int pitch) {
  static const double finer[FINE_PASSES + 1] = {1, 1 << FIRST_ZOOM_BITS, 64};
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

  vu raised_lanes = {0};
  bool any_raised = false;
  for (int t = 0; t < NMK_LANES; t++) {
    REAL tile_zoom = 1, tile_step = 0;
    if (t < count) {
      pending_tile *tile = &tiles[t];
      tile->zoom *= finer[pass];
      if (tile->unit != UNIT_UNKNOWN) {
        /* 2^(path_bits + COARSE_TIE_BITS) of the new units make one unit of the weights. */
        tile->zoom = __builtin_ldexp(1, plan->path_bits + COARSE_TIE_BITS - tile->unit);
        tile->step = 1 / tile->zoom;
        tile_step = (REAL)tile->step;
        raised_lanes[lane_of_tile(t)] = 0xffff;
        any_raised = true;
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
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++)
        e->q[i * m + j] += raised_lanes & (uint16_t)tie_break(plan, i, j, true);
  }
  for (int j = 0; j < m; j++) e->lane_s[j] = (vu){0} + OFFSET;
  e->sweep(plan, e->q, e->lane_u, e->lane_s, plan->sweeps[1], false);
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
  if (plan->at_most) FN(check_potentials)(e, count, m, pitch);

  for (int t = 0; t < count; t++) {
    pending_tile *tile = &tiles[t];
    if (tile_bits(e->unsettled, t, pitch) == 0) {
      put_tile(e, tile->strip, tile->place, e->bits, words, t);
      const double kept = FN(kept_of_tile)(e->kept_columns, t, pitch);
      note_kept(e, tile->strip, tile->place, kept * inverse[t * pitch]);
      e->sums->settled[1]++;
      continue;
    }
    const bool is_last = tile->step > 0;
    pending_tile *entry = tile;
    if (!is_last) {
      const bool is_near = imbalance(e, e->bits, words, t) <= plan->near;
      const int next = pass < FINE_PASSES && is_near ? pass + 1 : DEEP_PASS;
      entry = enqueue(e, next, tile->strip, tile->place);
      entry->zoom = tile->zoom;
    }
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
