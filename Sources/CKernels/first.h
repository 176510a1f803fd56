/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first pass over a block of tiles, in REAL = float or double. */

/* Loads a block of `count` tiles from `first` on. */
NMK_INLINE void FN(load_block)(
  const engine *e, REAL *restrict weights, uint32_t first, int count, int m, int pitch) {
  const nmk_strip *strip = e->strip;
  const int width = NMK_LANES * pitch;
  const ptrdiff_t size = dtype_bytes(strip->dtype);
  const char *from = (const char *)strip->base + (ptrdiff_t)first * m * size;
  for (int i = 0; i < m; i++, from += strip->row_bytes) {
    REAL *row = weights + i * width;
    if (m == pitch) {
      FN(load)(row, from, count * m, strip->dtype);
    } else {
      for (int t = 0; t < count; t++) {
        FN(load)(row + t * pitch, from + t * m * size, m, strip->dtype);
        for (int j = m; j < pitch; j++) row[t * pitch + j] = 0;
      }
    }
    for (int k = count * pitch; k < width; k++) row[k] = 0;
  }
}

/* What the sweeps found, by rows: the potentials of rows (side 0) or columns (side 1). */
NMK_INLINE void FN(potentials)(
  const engine *e, REAL *restrict potentials, int side, int m, int pitch) {
  union {
    v16u chunks[NMK_LANES * NMK_MAX_TILE / CHUNK];
    vu lanes[NMK_MAX_TILE];
  } x;
  const int width = NMK_LANES * pitch;
  for (int j = 0; j < pitch; j++)
    x.lanes[j] = j < m ? (side == 0 ? e->lane_u[j] : e->lane_s[j]) : (vu){0} + OFFSET;
  lanes_to_rows(x.lanes, pitch);
  for (int c = 0; c < width; c += CHUNK) {
    const vi value = __builtin_convertvector(x.chunks[c / CHUNK], vi) - OFFSET;
    *(REALS *)(potentials + c) = __builtin_convertvector(side == 0 ? value : -value, REALS);
  }
}

/* Keeps nothing in columns that only fill up a tile. */
NMK_INLINE void FN(close_columns)(REAL *restrict v, int m, int pitch) {
  for (int t = 0; t < NMK_LANES; t++)
    for (int j = m; j < pitch; j++) v[t * pitch + j] = (REAL)0x1p100;
}

NMK_INLINE block_state FN(first_pass)(
  engine *e, uint32_t first, int count, const int m, const int pitch) {
  const nmk_plan *plan = e->plan;
  const nmk_strip *strip = e->strip;
  const int width = NMK_LANES * pitch, words = (width + 63) / 64;
  REAL *weights = e->weights, *inverse = e->inverse, *u = e->u, *v = e->v;
  FN(load_block)(e, weights, first, count, m, pitch);
  const block_state state = FN(find_scales)(weights, inverse, m, pitch);
  if (state != BLOCK_READY && (state == BLOCK_NOT_FINITE || sizeof(REAL) == 4)) return state;
  FN(scale)(weights, inverse, m, pitch);
  FN(quantise)(weights, e->q, m, pitch);
  for (int j = 0; j < m; j++) e->lane_s[j] = (vu){0} + OFFSET;
  e->sweep(plan, e->q, e->lane_u, e->lane_s, e->sweeps[0]);
  FN(potentials)(e, u, 0, m, pitch);
  FN(potentials)(e, v, 1, m, pitch);
  if (m < pitch) FN(close_columns)(v, m, pitch);
  FN(read_signs)(plan, weights, NULL, u, v, m, pitch, e->bits, e->unsettled, e->kept_columns,
    e->total_columns);

  if (m == pitch) {
    const size_t bytes = ((size_t)count * (size_t)m + 7) / 8;
    uint8_t *out = strip->mask + (size_t)first * (size_t)m / 8;
    for (int i = 0; i < m; i++, out += strip->mask_row_bytes)
      memcpy(out, e->bits + i * words, bytes);
  } else {
    for (int t = 0; t < count; t++) put_tile(e, first + (uint32_t)t, e->bits, words, t);
  }
  for (int t = 0; t < count; t++) {
    const double scale = inverse[t * pitch];
    e->kept[first + (uint32_t)t] = e->kept_columns[t] * scale;
    e->total[first + (uint32_t)t] = e->total_columns[t] * scale;
  }
  uint64_t any = 0;
  for (int k = 0; k < words; k++) any |= e->unsettled[k];
  if (!any) {
    e->sums->settled[0] += (uint64_t)count;
    return BLOCK_READY;
  }
  struct queue *queue = &e->queues[1];
  for (int t = 0; t < count; t++) {
    if (tile_bits(e->unsettled, t, pitch) == 0) {
      e->sums->settled[0]++;
      continue;
    }
    pending_tile *entry = &queue->entries[queue->count++];
    entry->tile = first + (uint32_t)t;
    entry->unit = UNIT_UNKNOWN;
    entry->is_raised = false;
    entry->zoom = 1;
    for (int j = 0; j < m; j++) {
      entry->u[j] = u[t * pitch + j];
      entry->v[j] = v[t * pitch + j];
    }
  }
  return BLOCK_READY;
}

#define FIRST_PASS(P)                                                               \
  static block_state FN(first_pass_##P)(engine *e, uint32_t first, int count) {     \
    return e->plan->m == P ? FN(first_pass)(e, first, count, P, P)                  \
                           : FN(first_pass)(e, first, count, e->plan->m, P);        \
  }
FIRST_PASS(2)
FIRST_PASS(4)
FIRST_PASS(8)
FIRST_PASS(16)
FIRST_PASS(32)
FIRST_PASS(64)
#undef FIRST_PASS

static block_state FN(first_pass_any)(engine *e, uint32_t first, int count) {
  switch (e->plan->pitch) {
  case 2: return FN(first_pass_2)(e, first, count);
  case 4: return FN(first_pass_4)(e, first, count);
  case 8: return FN(first_pass_8)(e, first, count);
  case 16: return FN(first_pass_16)(e, first, count);
  case 32: return FN(first_pass_32)(e, first, count);
  default: return FN(first_pass_64)(e, first, count);
  }
}
