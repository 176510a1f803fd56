/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Exact transposable masks of one strip.
 *
 * First, sweeps on weights rounded to 14 bits settle nearly every tile. Those that are left are
 * collected until they fill all lanes again, and swept with a finer unit around the potentials
 * found so far. Where a tile's weights turn out to be multiples of a unit that is not much finer
 * (integers, zeros, equal or additive values: anything with ties), a fixed pattern far below that
 * unit is added to tell equal entries apart. A mask is optimal if no alternating cycle improves
 * it; a cycle has at most m entries to add, so as long as m times the largest addition stays below
 * the unit, an optimum of the raised weights is one of the true weights. What is then still not
 * settled goes to the augmenting paths.
 */

enum { FINE_PASSES = 3, CENTRE = 1 << 13 };
enum { UNIT_UNKNOWN = -100 };

/* A tile on its way through the passes. Potentials are multiples of 1 / zoom; weights are scaled
   to a largest in 2^13 ..< 2^14 throughout. */
typedef struct pending_tile {
  uint32_t tile;
  int32_t unit;  /* log2 of the unit of the weights, or UNIT_UNKNOWN */
  bool is_raised;
  double zoom;
  double *u, *v;
} pending_tile;

typedef struct queue {
  int count;
  pending_tile entries[2 * NMK_LANES];
} queue;

typedef struct engine {
  const nmk_plan *plan;
  const nmk_strip *strip;
  sweep_function *sweep;
  int sweeps[2];
  /* A block's memory. */
  void *weights, *ties, *inverse, *u, *v;
  vu *q, *lane_u, *lane_s;
  uint64_t *bits, *unsettled;
  double *kept_columns, *total_columns, *scratch_columns;
  finish_memory *finish;
  /* One for each tile. */
  double *kept, *total;
  double gap;
  nmk_sums *sums;
  queue queues[FINE_PASSES + 1];
} engine;

NMK_INLINE void put_bits(uint8_t *row, size_t position, int count, uint64_t bits) {
  uint8_t *byte = row + position / 8;
  int shift = (int)(position % 8);
  while (count > 0) {
    const int here = count < 8 - shift ? count : 8 - shift;
    const unsigned field = ((1u << here) - 1) << shift;
    *byte = (uint8_t)((*byte & ~field) | (((unsigned)bits << shift) & field));
    bits >>= here;
    count -= here;
    shift = 0;
    byte++;
  }
}

NMK_INLINE uint64_t tile_bits(const uint64_t *row, int lane, int pitch) {
  const uint64_t word = row[lane * pitch / 64];
  return pitch == 64 ? word : word >> (lane * pitch % 64) & ((1ull << pitch) - 1);
}

static void put_tile(engine *e, uint32_t tile, const uint64_t *rows, int step, int lane) {
  const nmk_strip *strip = e->strip;
  const int m = e->plan->m;
  for (int i = 0; i < m; i++)
    put_bits(strip->mask + i * strip->mask_row_bytes, (size_t)tile * (size_t)m, m,
      tile_bits(rows + i * step, lane, e->plan->pitch));
}

#define REAL float
#define INT int32_t
#define REALS vf
#define INTS vi
#define FN(name) name##_float
#define BITS_OF bits_of
#define INFINITY_BITS 0x7f800000
#define ONE_BITS 0x3f800000
#define TWICE_ONE_BITS 0x7f000000
#define EXPONENT_STEP (1 << 23)
#define LEAST_EXPONENT (14 << 23)
#include "block.h"
#include "first.h"
#undef REAL
#undef INT
#undef REALS
#undef INTS
#undef FN
#undef BITS_OF
#undef INFINITY_BITS
#undef ONE_BITS
#undef TWICE_ONE_BITS
#undef EXPONENT_STEP
#undef LEAST_EXPONENT

#define REAL double
#define INT int64_t
#define REALS vd
#define INTS vl
#define FN(name) name##_double
#define BITS_OF bits_of_wide
#define INFINITY_BITS 0x7ff0000000000000
#define ONE_BITS 0x3ff0000000000000
#define TWICE_ONE_BITS 0x7fe0000000000000
#define EXPONENT_STEP (1ll << 52)
#define LEAST_EXPONENT (14ll << 52)
#include "block.h"
#include "first.h"

/* Solves one tile by augmenting paths from where the sweeps left it. */
static void settle_alone(
  engine *e, const pending_tile *tile, const double *u, const double *v) {
  const nmk_plan *plan = e->plan;
  const nmk_strip *strip = e->strip;
  const int m = plan->m, pitch = plan->pitch;
  finish_memory *f = e->finish;
  double largest = 0;
  for (int i = 0; i < m; i++) {
    load_double(f->w + i * pitch,
      (const char *)strip->base + i * strip->row_bytes
        + (ptrdiff_t)tile->tile * m * dtype_bytes(strip->dtype),
      m, strip->dtype);
    for (int j = m; j < pitch; j++) f->w[i * pitch + j] = 0;
    for (int j = 0; j < m; j++)
      largest = f->w[i * pitch + j] > largest ? f->w[i * pitch + j] : largest;
  }
  int64_t bits = 0;
  memcpy(&bits, &largest, 8);
  bits &= INFINITY_BITS;
  bits = bits < LEAST_EXPONENT ? LEAST_EXPONENT : bits;
  if (largest == 0) bits = ONE_BITS;
  bits -= 13 * EXPONENT_STEP;
  const int64_t factor_bits = TWICE_ONE_BITS - bits;
  double inverse, factor;
  memcpy(&inverse, &bits, 8);
  memcpy(&factor, &factor_bits, 8);
  const double step = tile->is_raised ? 1 / tile->zoom : 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      f->w[i * pitch + j] = f->w[i * pitch + j] * factor + step * plan->tie_break[i * m + j];
  memcpy(f->u, u, sizeof(double) * (size_t)m);
  memcpy(f->v, v, sizeof(double) * (size_t)m);
  const double gap = finish_tile(f, plan->n, m, pitch, plan->at_most);

  double kept[NMK_MAX_TILE];
  for (int j = 0; j < pitch; j++) kept[j] = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      if (f->kept[i] >> j & 1)
        kept[j] += f->w[i * pitch + j] - step * plan->tie_break[i * m + j];
  for (int length = pitch; length > 1; length /= 2)
    for (int k = 0; k < length / 2; k++) kept[k] = kept[2 * k] + kept[2 * k + 1];
  e->kept[tile->tile] = kept[0] * inverse;
  /* For raised weights a complete proof holds for the true ones too; one that rounding spoils
     can be off by the additions as well. */
  e->gap += (gap > 0 && step > 0 ? gap + step * m * plan->n * (1 << plan->tie_bits) : gap) * inverse;
  for (int i = 0; i < m; i++)
    put_bits(strip->mask + i * strip->mask_row_bytes, (size_t)tile->tile * (size_t)m, m, f->kept[i]);
  e->sums->settled[2]++;
}

/* The unit of which all of a tile's scaled weights are multiples, as its logarithm. */
NMK_INLINE void find_units(
  engine *e, const double *weights, pending_tile *tiles, int count, int pitch) {
  const int m = e->plan->m, width = NMK_LANES * pitch;
  /* Adding 1.5 * 2^52 makes the integer part of a double readable from its bits. */
  const double magic = 0x1.8p52, finest = 0x1p24;
  for (int c = 0; c < width; c += CHUNK) {
    vl low_bits = {0}, inexact = {0};
    for (int i = 0; i < m; i++) {
      const vd x = *(const vd *)(weights + i * width + c) * finest;
      const vd shifted = x + magic;
      low_bits |= (vl)shifted;
      inexact |= (shifted - magic != x);
    }
    /* The bits of the magic number are all above 2^50, where no weight is. */
    *(vl *)(e->kept_columns + c) = (low_bits & ((1ll << 50) - 1)) | (inexact & (1ll << 62));
  }
  for (int t = 0; t < count; t++) {
    uint64_t all = 0;
    for (int j = 0; j < m; j++) all |= ((const uint64_t *)e->kept_columns)[t * pitch + j];
    if (all >> 62) continue;
    tiles[t].unit = all == 0 ? 13 : __builtin_ctzll(all) - 24;
  }
}

NMK_INLINE void load_tiles(
  engine *e, const pending_tile *tiles, int count, double *weights, int pitch) {
  const nmk_strip *strip = e->strip;
  const int m = e->plan->m, width = NMK_LANES * pitch;
  const ptrdiff_t size = dtype_bytes(strip->dtype);
  for (int i = 0; i < m; i++) {
    double *row = weights + i * width;
    const char *from = (const char *)strip->base + i * strip->row_bytes;
    for (int t = 0; t < count; t++) {
      load_double(row + t * pitch, from + (ptrdiff_t)tiles[t].tile * m * size, m, strip->dtype);
      for (int j = m; j < pitch; j++) row[t * pitch + j] = 0;
    }
    for (int k = count * pitch; k < width; k++) row[k] = 0;
  }
}

/* The reduced costs in the finer unit, as far as 14 bits reach: beyond that only the sign counts. */
NMK_INLINE void quantise_around(
  engine *e, const double *restrict weights, const double *restrict ties, const double *restrict u,
  const double *restrict v, const double *restrict zoom, int m, int pitch) {
  const int width = NMK_LANES * pitch;
  for (int i = 0; i < m; i++) {
    union {
      v16u chunks[NMK_LANES * NMK_MAX_TILE / CHUNK];
      vu lanes[NMK_MAX_TILE];
    } row;
    for (int c = 0; c < width; c += CHUNK) {
      const double *const chunk_u = u + (pitch > CHUNK ? c & ~(pitch - 1) : c);
      vd w = *(const vd *)(weights + i * width + c);
      if (ties) w += *(const vd *)(ties + i * width + c);
      w -= spread_double(chunk_u, i, pitch) + *(const vd *)(v + c);
      w = w * *(const vd *)(zoom + c) + (CENTRE + 0.5);
      const vd most = (vd){0} + (2 * CENTRE - 1);
      w = (vd)CHOOSE(w > most, (vl)most, (vl)w & (w > 0));
      row.chunks[c / CHUNK] = __builtin_convertvector(__builtin_convertvector(w, vi), v16u);
    }
    rows_to_lanes(row.lanes, pitch);
    for (int j = 0; j < m; j++) e->q[i * m + j] = row.lanes[j];
  }
}

/* Adds what the sweeps found to the potentials. */
NMK_INLINE void add_potentials(
  const engine *e, double *restrict u, double *restrict v, const double *restrict zoom, int m,
  int pitch) {
  const int width = NMK_LANES * pitch;
  double *const step_u = e->kept_columns, *const step_v = e->scratch_columns;
  potentials_double(e, step_u, step_v, m, pitch);
  for (int c = 0; c < width; c += CHUNK) {
    *(vd *)(u + c) += (*(const vd *)(step_u + c) - CENTRE) / *(const vd *)(zoom + c);
    *(vd *)(v + c) += *(const vd *)(step_v + c) / *(const vd *)(zoom + c);
  }
}

/* Sweeps a block of tiles around their potentials, with a finer unit. */
NMK_INLINE void fine_pass(engine *e, int pass, const int pitch) {
  static const double finer[FINE_PASSES + 1] = {1, 8, 64, 256};
  const nmk_plan *plan = e->plan;
  struct queue *queue = &e->queues[pass];
  const int count = queue->count < NMK_LANES ? queue->count : NMK_LANES;
  const int m = pitch <= 2 ? pitch : plan->m, width = NMK_LANES * pitch;
  /* The last ones, so that the rest need not move. */
  queue->count -= count;
  pending_tile *tiles = queue->entries + queue->count;
  double *weights = e->weights, *u = e->u, *v = e->v, *zoom = e->total_columns;
  double *ties = e->ties;
  load_tiles(e, tiles, count, weights, pitch);
  find_scales_double(weights, e->inverse, m, pitch);
  scale_double(weights, e->inverse, m, pitch);
  if (pass == 1) find_units(e, weights, tiles, count, pitch);

  bool any_raised = false;
  for (int t = 0; t < NMK_LANES; t++) {
    double step = 0;
    if (t < count) {
      pending_tile *tile = &tiles[t];
      const double next = tile->zoom * finer[pass];
      tile->is_raised = false;
      if (tile->unit != UNIT_UNKNOWN) {
        /* 2^(path_bits + tie_bits) of the new units make one unit of the weights. */
        const double lattice = __builtin_ldexp(1, plan->path_bits + plan->tie_bits - tile->unit);
        tile->is_raised = lattice <= next;
        tile->zoom = tile->is_raised ? lattice : next;
      } else {
        tile->zoom = next;
      }
      step = tile->is_raised ? 1 / tile->zoom : 0;
      any_raised |= tile->is_raised;
    }
    for (int j = 0; j < pitch; j++) {
      u[t * pitch + j] = t < count && j < m ? tiles[t].u[j] : 0;
      v[t * pitch + j] = t < count && j < m ? tiles[t].v[j] : 0;
      zoom[t * pitch + j] = t < count ? tiles[t].zoom : 1;
      e->kept_columns[t * pitch + j] = step;
    }
  }
  if (any_raised) {
    for (int i = 0; i < m; i++)
      for (int t = 0; t < NMK_LANES; t++)
        for (int j = 0; j < pitch; j++)
          ties[i * width + t * pitch + j] =
            j < m ? e->kept_columns[t * pitch] * plan->tie_break[i * m + j] : 0;
  }
  quantise_around(e, weights, any_raised ? ties : NULL, u, v, zoom, m, pitch);
  for (int j = 0; j < m; j++) e->lane_s[j] = (vu){0} + OFFSET;
  e->sweep(plan, e->q, e->lane_u, e->lane_s, e->sweeps[1]);
  add_potentials(e, u, v, zoom, m, pitch);
  if (m < pitch)
    for (int t = 0; t < NMK_LANES; t++)
      for (int j = m; j < pitch; j++) v[t * pitch + j] = 0x1p100;
  read_signs_double(plan, weights, any_raised ? ties : NULL, u, v, m, pitch, e->bits, e->unsettled,
    e->kept_columns, e->total_columns);

  const int words = (width + 63) / 64;
  for (int t = 0; t < count; t++) {
    pending_tile *tile = &tiles[t];
    if (tile_bits(e->unsettled, t, pitch) == 0) {
      put_tile(e, tile->tile, e->bits, words, t);
      e->kept[tile->tile] = e->kept_columns[t] * ((const double *)e->inverse)[t * pitch];
      e->sums->settled[1]++;
      continue;
    }
    if (tile->is_raised || pass == FINE_PASSES) {
      settle_alone(e, tile, u + t * pitch, v + t * pitch);
      continue;
    }
    struct queue *const next = &e->queues[pass + 1];
    pending_tile *const entry = &next->entries[next->count++];
    entry->tile = tile->tile;
    entry->unit = tile->unit;
    entry->zoom = tile->zoom;
    memcpy(entry->u, u + t * pitch, sizeof(double) * (size_t)m);
    memcpy(entry->v, v + t * pitch, sizeof(double) * (size_t)m);
  }
}

/* Runs a pass on what waits for it, and those after it that have filled up. */
static void fine_pass_any(engine *e, int pass) {
  switch (e->plan->pitch) {
  case 2: fine_pass(e, pass, 2); break;
  case 4: fine_pass(e, pass, 4); break;
  case 8: fine_pass(e, pass, 8); break;
  case 16: fine_pass(e, pass, 16); break;
  case 32: fine_pass(e, pass, 32); break;
  default: fine_pass(e, pass, 64); break;
  }
  if (pass < FINE_PASSES && e->queues[pass + 1].count >= NMK_LANES) fine_pass_any(e, pass + 1);
}

#undef REAL
#undef INT
#undef REALS
#undef INTS
#undef FN
#undef BITS_OF
#undef INFINITY_BITS
#undef ONE_BITS
#undef TWICE_ONE_BITS
#undef EXPONENT_STEP
#undef LEAST_EXPONENT

/* The first entry of a strip that is not finite, by rows. */
static int64_t find_not_finite(const nmk_plan *plan, const nmk_strip *strip) {
  const size_t columns = strip->tiles * (size_t)plan->m;
  for (int i = 0; i < plan->m; i++) {
    const char *row = (const char *)strip->base + i * strip->row_bytes;
    for (size_t j = 0; j < columns; j++) {
      double w;
      load_double(&w, row + (ptrdiff_t)j * dtype_bytes(strip->dtype), 1, strip->dtype);
      if (!(w < INFINITY)) return (int64_t)((size_t)i * columns + j);
    }
  }
  return -1;
}

/* Cuts `bytes` off the front of the workspace. */
NMK_INLINE void *take(char **workspace, size_t bytes) {
  void *const result = *workspace;
  *workspace += (bytes + 63) / 64 * 64;
  return result;
}

static void keep_all(const nmk_plan *plan, const nmk_strip *strip, nmk_sums *sums) {
  const int m = plan->m;
  for (size_t t = 0; t < strip->tiles; t++) {
    double columns[NMK_MAX_TILE] = {0};
    for (int i = 0; i < m; i++) {
      double row[NMK_MAX_TILE];
      load_double(row, (const char *)strip->base + i * strip->row_bytes
          + (ptrdiff_t)t * m * dtype_bytes(strip->dtype), m, strip->dtype);
      for (int j = 0; j < m; j++) columns[j] += row[j];
      put_bits(strip->mask + i * strip->mask_row_bytes, t * (size_t)m, m, ~0ull);
    }
    for (int length = plan->pitch; length > 1; length /= 2)
      for (int k = 0; k < length / 2; k++) columns[k] = columns[2 * k] + columns[2 * k + 1];
    sums->total += columns[0];
  }
  sums->kept = sums->total;
  if (!(sums->total < INFINITY)) sums->nonfinite = find_not_finite(plan, strip);
  sums->settled[0] = strip->tiles;
}

static void transposable(
  const nmk_plan *plan, const nmk_strip *strip, void *workspace, nmk_sums *sums) {
  *sums = (nmk_sums){.nonfinite = -1};
  if (plan->n == plan->m) {
    keep_all(plan, strip, sums);
    return;
  }
  const size_t m = (size_t)plan->m, width = NMK_LANES * (size_t)plan->pitch;
  char *memory = workspace;
  engine *const e = take(&memory, sizeof(engine));
  e->plan = plan;
  e->strip = strip;
  e->sweep = sweep_for(plan->n, plan->m);
  e->sweeps[0] = plan->sweeps[0];
  e->sweeps[1] = plan->sweeps[1];
  e->weights = take(&memory, m * width * sizeof(double));
  e->ties = take(&memory, m * width * sizeof(double));
  e->inverse = take(&memory, width * sizeof(double));
  e->u = take(&memory, width * sizeof(double));
  e->v = take(&memory, width * sizeof(double));
  e->q = take(&memory, m * m * sizeof(vu));
  e->lane_u = take(&memory, m * sizeof(vu));
  e->lane_s = take(&memory, m * sizeof(vu));
  e->bits = take(&memory, m * (width / 8 + 8));
  e->unsettled = take(&memory, width / 8 + 8);
  e->kept_columns = take(&memory, width * sizeof(double));
  e->total_columns = take(&memory, width * sizeof(double));
  e->scratch_columns = take(&memory, width * sizeof(double));
  e->finish = take(&memory, sizeof(finish_memory));
  e->kept = take(&memory, strip->tiles * sizeof(double));
  e->total = take(&memory, strip->tiles * sizeof(double));
  e->gap = 0;
  e->sums = sums;
  for (int pass = 1; pass <= FINE_PASSES; pass++) {
    e->queues[pass].count = 0;
    for (int k = 0; k < 2 * NMK_LANES; k++) {
      e->queues[pass].entries[k].u = take(&memory, m * sizeof(double));
      e->queues[pass].entries[k].v = take(&memory, m * sizeof(double));
    }
  }

  const bool wide = strip->dtype == NMK_F64 || strip->dtype == NMK_I32 || strip->dtype == NMK_I64;
  for (size_t first = 0; first < strip->tiles; first += NMK_LANES) {
    const size_t left = strip->tiles - first;
    const int count = left < NMK_LANES ? (int)left : NMK_LANES;
    block_state state =
      wide ? BLOCK_SUBNORMAL : first_pass_any_float(e, (uint32_t)first, count);
    if (state == BLOCK_SUBNORMAL) state = first_pass_any_double(e, (uint32_t)first, count);
    if (state == BLOCK_NOT_FINITE) {
      sums->nonfinite = find_not_finite(plan, strip);
      return;
    }
    if (e->queues[1].count >= NMK_LANES) fine_pass_any(e, 1);
  }
  for (int pass = 1; pass <= FINE_PASSES; pass++)
    while (e->queues[pass].count > 0) fine_pass_any(e, pass);
  for (size_t t = 0; t < strip->tiles; t++) {
    sums->kept += e->kept[t];
    sums->total += e->total[t];
  }
  sums->gap = e->gap;
}
