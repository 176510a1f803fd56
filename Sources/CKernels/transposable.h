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
  bool is_wide; /* whether float32 does not hold the element type */
  /* A block's memory. */
  void *weights, *inverse, *u, *v, *zoom, *step, *scratch;
  vu *q, *lane_u, *lane_s;
  uint64_t *bits, *unsettled;
  double *kept_columns, *total_columns;
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

/* Solves one tile by augmenting paths from where the sweeps left it. */
static void settle_alone(engine *e, const pending_tile *tile) {
  const nmk_plan *plan = e->plan;
  const nmk_strip *strip = e->strip;
  const int m = plan->m, pitch = plan->pitch;
  const int row = pitch > CHUNK ? pitch : CHUNK;
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
  /* The same scale as in the passes before. */
  int64_t bits;
  memcpy(&bits, &largest, 8);
  const int exponent = largest == 0 ? 1023 : bits >> 52 < 14 ? 14 : (int)(bits >> 52);
  const double inverse = __builtin_ldexp(1, exponent - 1023 - 13);
  const double factor = __builtin_ldexp(1, 1023 + 13 - exponent);
  const double step = tile->is_raised ? 1 / tile->zoom : 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      f->w[i * pitch + j] = f->w[i * pitch + j] * factor + step * plan->tie_break[i * row + j];
  memcpy(f->u, tile->u, sizeof(double) * (size_t)m);
  memcpy(f->v, tile->v, sizeof(double) * (size_t)m);
  const double gap = finish_tile(f, plan->n, m, pitch, plan->at_most);

  double kept[NMK_MAX_TILE];
  for (int j = 0; j < pitch; j++) kept[j] = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      if (f->kept[i] >> j & 1)
        kept[j] += f->w[i * pitch + j] - step * plan->tie_break[i * row + j];
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
#define MAGIC 0x1.8p23f
#define MAGIC_MASK ((1 << 22) - 1)
#define FINEST 0x1p8f
#define FINEST_BITS 8
#include "block.h"
#include "first.h"
#include "fine.h"
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
#undef MAGIC
#undef MAGIC_MASK
#undef FINEST
#undef FINEST_BITS

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
#define MAGIC 0x1.8p52
#define MAGIC_MASK ((1ll << 51) - 1)
#define FINEST 0x1p24
#define FINEST_BITS 24
#include "block.h"
#include "first.h"
#include "fine.h"

/* Runs a pass on what waits for it, and those after it that have filled up. */
static void run_fine(engine *e, int pass) {
  /* float32 holds potentials of the first finer pass; later ones have too many bits. */
  if (e->is_wide || pass > 1 || !fine_pass_any_float(e, pass)) fine_pass_any_double(e, pass);
  if (pass < FINE_PASSES && e->queues[pass + 1].count >= NMK_LANES) run_fine(e, pass + 1);
}

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
  e->zoom = take(&memory, width * sizeof(double));
  e->step = take(&memory, width * sizeof(double));
  e->scratch = take(&memory, width * sizeof(double));
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

  e->is_wide = strip->dtype == NMK_F64 || strip->dtype == NMK_I32 || strip->dtype == NMK_I64;
  for (size_t first = 0; first < strip->tiles; first += NMK_LANES) {
    const size_t left = strip->tiles - first;
    const int count = left < NMK_LANES ? (int)left : NMK_LANES;
    block_state state =
      e->is_wide ? BLOCK_SUBNORMAL : first_pass_any_float(e, (uint32_t)first, count);
    if (state == BLOCK_SUBNORMAL) state = first_pass_any_double(e, (uint32_t)first, count);
    if (state == BLOCK_NOT_FINITE) {
      sums->nonfinite = find_not_finite(plan, strip);
      return;
    }
    if (e->queues[1].count >= NMK_LANES) run_fine(e, 1);
  }
  for (int pass = 1; pass <= FINE_PASSES; pass++)
    while (e->queues[pass].count > 0) run_fine(e, pass);
  for (size_t t = 0; t < strip->tiles; t++) {
    sums->kept += e->kept[t];
    sums->total += e->total[t];
  }
  sums->gap = e->gap;
}
