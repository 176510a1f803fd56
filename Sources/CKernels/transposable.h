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

/* The first finer pass has room for some bits of the tie break only. */
enum { COARSE_TIE_BITS = 6, TIE_SHIFT = NMK_TIE_BITS - COARSE_TIE_BITS };
enum { FIRST_ZOOM_BITS = 4, FINE_PASSES = 2, DEEP_PASS = 3, CENTRE = 1 << 13 };
enum { UNIT_UNKNOWN = -100 };
/* A queue holds less than a block when a pass starts, and a pass adds one block at most. */
enum { QUEUE_CAPACITY = 64 };

/* A tile on its way through the passes. Weights are scaled to a largest in 2^13 ..< 2^14
   throughout; potentials are multiples of 1 / zoom. */
typedef struct pending_tile {
  uint32_t strip, place;
  int32_t unit;   /* log2 of the unit of the weights, where it is coarse, or UNIT_UNKNOWN */
  double zoom;
  double step;    /* of the tie break that was added to the weights, or 0 */
  bool is_coarse; /* whether that has COARSE_TIE_BITS bits */
  double *u, *v;
} pending_tile;

/* The tiles of a block in the first pass: `count` of each of some strips, from one place on. Those of
   the next strip begin `stride` lanes further on. */
typedef struct tile_block {
  uint32_t strip, strips, first;
  int count, stride;
} tile_block;

typedef struct queue {
  int count;
  pending_tile entries[QUEUE_CAPACITY];
} queue;

typedef struct engine {
  const nmk_plan *plan;
  const nmk_strip *strip;
  sweep_function *sweep;
  bool is_wide; /* whether float32 does not hold the element type */
  ptrdiff_t size; /* of an element */
  /* A block's memory. */
  void *weights, *inverse, *u, *v, *zoom, *step, *scratch;
  vu *q, *lane_u, *lane_s;
  block_word *bits, *unsettled;
  double *kept_columns, *total_columns;
  vd8 *deep;
  finish_memory *finish;
  /* What tiles that the first pass settled keep, and what all tiles hold; each place of a chunk has
     a sum of its own, along the strips. */
  vd kept_sum, total_sum;
  /* What each other tile keeps, and its gap; undefined until the first that is not 0. */
  double *kept, *gaps;
  bool has_kept, has_gaps;
  nmk_sums *sums;
  queue queues[DEEP_PASS + 1];
} engine;

NMK_INLINE const char *weights_at(const engine *e, uint32_t strip, uint32_t place, int row) {
  return (const char *)e->strip->base
    + ((ptrdiff_t)strip * e->plan->m + row) * e->strip->row_bytes
    + (ptrdiff_t)place * e->plan->m * e->size;
}

NMK_INLINE uint8_t *mask_row(const engine *e, uint32_t strip, int row) {
  return e->strip->mask + ((ptrdiff_t)strip * e->plan->m + row) * e->strip->mask_row_bytes;
}

NMK_INLINE size_t tile_index(const engine *e, uint32_t strip, uint32_t place) {
  return strip * e->strip->tiles + place;
}

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

NMK_INLINE uint64_t tile_bits(const block_word *row, int lane, int pitch) {
  const uint64_t word = row[lane * pitch / 64];
  return pitch == 64 ? word : word >> (lane * pitch % 64) & ((1ull << pitch) - 1);
}

static void put_tile(
  engine *e, uint32_t strip, uint32_t place, const block_word *rows, int step, int lane) {
  const int m = e->plan->m;
  for (int i = 0; i < m; i++)
    put_bits(mask_row(e, strip, i), (size_t)place * (size_t)m, m,
      tile_bits(rows + i * step, lane, e->plan->pitch));
}

NMK_INLINE double sum_pairwise(double *values, int count) {
  for (; count > 1; count /= 2)
    for (int k = 0; k < count / 2; k++) values[k] = values[2 * k] + values[2 * k + 1];
  return values[0];
}

/* Every eighth in a sum of its own, which do not wait for each other. */
NMK_INLINE double sum_interleaved(const double *values, size_t count) {
  _Alignas(64) double sums[8] = {0};
  size_t k = 0;
  for (; k + 8 <= count; k += 8) *(vd8 *)sums += *(const vd8 *)(values + k);
  for (size_t lane = 0; k < count; k++, lane++) sums[lane] += values[k];
  return sum_pairwise(sums, 8);
}

/* Loads one tile, scaled as in every pass, in rows `pitch` apart; returns the scale's inverse. */
NMK_INLINE double load_scaled(
  const engine *e, const pending_tile *tile, block_double *w, const int m, const int pitch) {
  double largest = 0;
  for (int i = 0; i < m; i++) {
    block_double *row = w + i * pitch;
    load_double(row, weights_at(e, tile->strip, tile->place, i), m, e->strip->dtype);
    for (int j = m; j < pitch; j++) row[j] = 0;
    for (int j = 0; j < m; j++) largest = row[j] > largest ? row[j] : largest;
  }
  int64_t bits;
  memcpy(&bits, &largest, 8);
  const int exponent = largest == 0 ? 1023 : bits >> 52 < 14 ? 14 : (int)(bits >> 52);
  const double factor = __builtin_ldexp(1, 1023 + 13 - exponent);
  for (int k = 0; k < m * pitch; k++) w[k] *= factor;
  return __builtin_ldexp(1, exponent - 1023 - 13);
}

/* The tie break of an entry, all of it or as much as the step leaves room for. */
NMK_INLINE int tie_break(const nmk_plan *plan, int i, int j, bool is_coarse) {
  const int whole = plan->tie_break[i * (plan->pitch > CHUNK ? plan->pitch : CHUNK) + j];
  return is_coarse ? whole >> TIE_SHIFT : whole;
}

/* Shifts potentials so that the least of both sides are equal, and cuts off what is negative. */
NMK_INLINE void make_positive(double *u, double *v, int m) {
  double least_u = u[0], least_v = v[0];
  for (int j = 1; j < m; j++) {
    least_u = u[j] < least_u ? u[j] : least_u;
    least_v = v[j] < least_v ? v[j] : least_v;
  }
  const double shift = (least_v - least_u) * 0.5;
  for (int j = 0; j < m; j++) {
    u[j] = u[j] + shift > 0 ? u[j] + shift : 0;
    v[j] = v[j] - shift > 0 ? v[j] - shift : 0;
  }
}

/* The tie break of eight entries of a row. */
NMK_INLINE vd8 tie_breaks(const nmk_plan *plan, int i, int j, bool is_coarse) {
  v8u whole;
  memcpy(&whole, plan->tie_break + i * (plan->pitch > CHUNK ? plan->pitch : CHUNK) + j,
    sizeof(whole));
  return __builtin_convertvector(is_coarse ? whole >> TIE_SHIFT : whole, vd8);
}

/* Keeps a number of one tile, to be added up in the order of the tiles: that in which they are
   settled is not the same with each set. */
static void note(const engine *e, double *numbers, bool *has_any, size_t tile, double x) {
  if (x == 0) return;
  if (!*has_any) memset(numbers, 0, e->strip->tiles * e->strip->strips * sizeof(double));
  *has_any = true;
  numbers[tile] = x;
}

static void note_kept(engine *e, uint32_t strip, uint32_t place, double kept) {
  note(e, e->kept, &e->has_kept, tile_index(e, strip, place), kept);
}

static void note_gap(engine *e, uint32_t strip, uint32_t place, double gap) {
  note(e, e->gaps, &e->has_gaps, tile_index(e, strip, place), gap);
}

/* Solves one tile by augmenting paths from where the sweeps left it. */
static void settle_alone(engine *e, const pending_tile *tile) {
  const nmk_plan *plan = e->plan;
  const int m = plan->m, pitch = plan->pitch < 8 ? 8 : plan->pitch;
  finish_memory *f = e->finish;
  const double inverse = load_scaled(e, tile, f->w, m, pitch), step = tile->step;
  if (step > 0)
    for (int i = 0; i < m; i++)
      for (int j = 0; j < pitch; j += 8)
        *(vd8 *)(f->w + i * pitch + j) += step * tie_breaks(plan, i, j, tile->is_coarse);
  memcpy(f->u, tile->u, sizeof(double) * (size_t)m);
  memcpy(f->v, tile->v, sizeof(double) * (size_t)m);
  if (plan->at_most) make_positive(f->u, f->v, m);
  double gap = finish_tile(f, plan->n, m, pitch, plan->at_most);
  /* No cycle gains more than the gap and what was added along it, and if that is less than the
     unit of the weights, none gains anything. */
  if (step > 0) gap = gap < step ? 0 : gap + step * m * plan->n * (1 << NMK_TIE_BITS);

  _Alignas(64) double kept[NMK_MAX_TILE];
  for (int j = 0; j < pitch; j += 8) {
    vd8 sum = {0};
    for (int i = 0; i < m; i++) {
      vd8 w = *(const vd8 *)(f->w + i * pitch + j);
      if (step > 0) w -= step * tie_breaks(plan, i, j, tile->is_coarse);
      sum += (vd8)((vl8)w & mask_of_eight(f->kept[i], j));
    }
    *(vd8 *)(kept + j) = sum;
  }
  note_kept(e, tile->strip, tile->place, sum_pairwise(kept, pitch) * inverse);
  note_gap(e, tile->strip, tile->place, gap * inverse);
  for (int i = 0; i < m; i++)
    put_bits(mask_row(e, tile->strip, i), (size_t)tile->place * (size_t)m, m, f->kept[i]);
  e->sums->settled[3]++;
}

/* The better of the two masks of 1:2. */
static void settle_pair(
  engine *e, uint32_t strip, uint32_t place, double a, double b, double c, double d,
  double inverse) {
  /* a + d and b + c with their rounding errors: D. E. Knuth, The Art of Computer Programming 2,
     4.2.2, theorem B. */
  const double straight = a + d, crossed = b + c;
  const double a_part = straight - d, b_part = crossed - c;
  const double error = (a - a_part) + (d - (straight - a_part)) - (b - b_part)
    - (c - (crossed - b_part));
  const bool is_straight = (straight - crossed) + error >= 0;
  put_bits(mask_row(e, strip, 0), (size_t)place * 2, 2, is_straight ? 1 : 2);
  put_bits(mask_row(e, strip, 1), (size_t)place * 2, 2, is_straight ? 2 : 1);
  note_kept(e, strip, place, (is_straight ? a + d : b + c) * inverse);
  e->sums->settled[3]++;
}

/* How far the rows of a tile are from holding n. */
NMK_INLINE int imbalance(const engine *e, const block_word *bits, int words, int lane) {
  int sum = 0;
  for (int i = 0; i < e->plan->m; i++) {
    const int count =
      __builtin_popcountll(tile_bits(bits + i * words, lane, e->plan->pitch)) - e->plan->n;
    sum += count < 0 ? -count : count;
  }
  return sum;
}

/* An entry at the end of a queue, of a tile with its potentials still to be written. */
NMK_INLINE pending_tile *enqueue(engine *e, int pass, uint32_t strip, uint32_t place) {
  struct queue *const queue = &e->queues[pass];
  pending_tile *const entry = &queue->entries[queue->count++];
  entry->strip = strip;
  entry->place = place;
  entry->unit = UNIT_UNKNOWN;
  entry->zoom = 1;
  entry->step = 0;
  entry->is_coarse = true;
  return entry;
}

#define REAL block_float
#define INT int32_t
#define REALS vf
#define INTS vi
#define FN(name) name##_float
#define BITS_OF bits_of
#define ROUNDING 0x1p23
#define LOW_WORDS(x) (x)
#define INFINITY_BITS 0x7f800000
#define ONE_BITS 0x3f800000
#define TWICE_ONE_BITS 0x7f000000
#define EXPONENT_STEP (1 << 23)
#define LEAST_EXPONENT (14 << 23)
#include "block.h"
#include "first.h"
#include "fine.h"
#undef REAL
#undef INT
#undef REALS
#undef INTS
#undef FN
#undef BITS_OF
#undef ROUNDING
#undef LOW_WORDS
#undef INFINITY_BITS
#undef ONE_BITS
#undef TWICE_ONE_BITS
#undef EXPONENT_STEP
#undef LEAST_EXPONENT

#define REAL block_double
#define INT int64_t
#define REALS vd
#define INTS vl
#define FN(name) name##_double
#define BITS_OF bits_of_wide
#define ROUNDING 0x1p52
#define LOW_WORDS(x) __builtin_convertvector(x, vi)
#define INFINITY_BITS 0x7ff0000000000000
#define ONE_BITS 0x3ff0000000000000
#define TWICE_ONE_BITS 0x7fe0000000000000
#define EXPONENT_STEP (1ll << 52)
#define LEAST_EXPONENT (14ll << 52)
#include "block.h"
#include "first.h"
#include "fine.h"

#include "deep.h"

/* Runs the passes after `pass` on what waits for them, where that fills a block. */
static void run_full_blocks(engine *e, int pass);

static void run_pass(engine *e, int pass) {
  if (pass == DEEP_PASS) {
    deep_pass(e);
    return;
  }
  /* float32 holds the potentials of the first finer pass; those of the second have more bits. */
  if (e->is_wide || pass > 1 || !fine_pass_any_float(e, pass)) fine_pass_any_double(e, pass);
  run_full_blocks(e, pass);
}

static void run_full_blocks(engine *e, int pass) {
  for (int next = DEEP_PASS; next > pass; next--)
    while (e->queues[next].count >= (next == DEEP_PASS ? DEEP_LANES : NMK_LANES))
      run_pass(e, next);
}

/* The first entry that is not finite, by rows. */
static int64_t find_not_finite(const nmk_plan *plan, const nmk_strip *strip) {
  const size_t columns = strip->tiles * (size_t)plan->m, rows = strip->strips * (size_t)plan->m;
  for (size_t i = 0; i < rows; i++) {
    const char *row = (const char *)strip->base + (ptrdiff_t)i * strip->row_bytes;
    for (size_t j = 0; j < columns; j++) {
      double w;
      load_double(&w, row + (ptrdiff_t)j * dtype_bytes(strip->dtype), 1, strip->dtype);
      if (!(w < INFINITY)) return (int64_t)(i * columns + j);
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

static void set_up(
  engine *e, char *memory, const nmk_plan *plan, const nmk_strip *strip, nmk_sums *sums) {
  const size_t m = (size_t)plan->m, width = NMK_LANES * (size_t)plan->pitch;
  const size_t tiles = strip->tiles * strip->strips, row = width * sizeof(double);
  e->plan = plan;
  e->strip = strip;
  e->sums = sums;
  e->sweep = sweep_for(plan->n, plan->m);
  e->size = dtype_bytes(strip->dtype);
  e->is_wide = strip->dtype == NMK_F64 || strip->dtype == NMK_I32 || strip->dtype == NMK_I64;
  e->has_kept = e->has_gaps = false;
  e->kept_sum = e->total_sum = (vd){0};
  e->weights = take(&memory, m * row);
  e->inverse = take(&memory, row);
  e->u = take(&memory, row);
  e->v = take(&memory, row);
  e->zoom = take(&memory, row);
  e->step = take(&memory, row);
  e->scratch = take(&memory, row);
  e->kept_columns = take(&memory, row);
  e->total_columns = take(&memory, row);
  e->q = take(&memory, m * m * sizeof(vu));
  e->lane_u = take(&memory, m * sizeof(vu));
  e->lane_s = take(&memory, m * sizeof(vu));
  e->bits = take(&memory, m * (width / 8 + 8));
  e->unsettled = take(&memory, width / 8 + 8);
  e->deep = take(&memory, (m * m + 4 * m) * sizeof(vd8));
  e->finish = take(&memory, sizeof(finish_memory));
  for (int pass = 1; pass <= DEEP_PASS; pass++) {
    e->queues[pass].count = 0;
    for (int k = 0; k < QUEUE_CAPACITY; k++) {
      e->queues[pass].entries[k].u = take(&memory, m * sizeof(double));
      e->queues[pass].entries[k].v = take(&memory, m * sizeof(double));
    }
  }
  e->kept = take(&memory, tiles * sizeof(double));
  e->gaps = take(&memory, tiles * sizeof(double));
}

/* The lanes that a strip takes of a block: all, or for short strips as many as make whole chunks, so
   that what is added up for each place of a chunk is so in the same order with each set. */
static int stride_of_strip(const engine *e) {
  const int step = e->plan->pitch < CHUNK ? CHUNK / e->plan->pitch : 1;
  const size_t tiles = e->strip->tiles;
  if (tiles == 0 || tiles > NMK_LANES / 2) return NMK_LANES;
  const int stride = ((int)tiles + step - 1) / step * step;
  return stride > NMK_LANES / 2 ? NMK_LANES : stride;
}

#include "keep_all.h"
#include "prefetch.h"

static void transposable(
  const nmk_plan *plan, const nmk_strip *strip, void *workspace, nmk_sums *sums) {
  *sums = (nmk_sums){.nonfinite = -1};
  char *memory = workspace;
  engine *const e = take(&memory, sizeof(engine));
  set_up(e, memory, plan, strip, sums);
  if (plan->n == plan->m) {
    keep_all(e);
    return;
  }
  const int stride = stride_of_strip(e);
  const size_t together = (size_t)(NMK_LANES / stride);
  for (size_t s = 0; s < strip->strips; s += together) {
    for (size_t first = 0; first < strip->tiles; first += NMK_LANES) {
      const size_t strips = strip->strips - s, tiles = strip->tiles - first;
      const tile_block block = {
        .strip = (uint32_t)s,
        .strips = (uint32_t)(strips < together ? strips : together),
        .first = (uint32_t)first,
        .count = tiles < NMK_LANES ? (int)tiles : NMK_LANES,
        .stride = stride,
      };
      prefetch_block(e, (uint32_t)s, first + 2 * NMK_LANES);
      block_state state = BLOCK_SUBNORMAL;
      if (!e->is_wide) state = first_pass_any_float(e, &block);
      if (state == BLOCK_SUBNORMAL) state = first_pass_any_double(e, &block);
      if (state == BLOCK_NOT_FINITE) {
        sums->nonfinite = find_not_finite(plan, strip);
        return;
      }
      run_full_blocks(e, 0);
    }
  }
  for (int pass = 1; pass <= DEEP_PASS; pass++)
    while (e->queues[pass].count > 0) run_pass(e, pass);
  const size_t tiles = strip->tiles * strip->strips;
  _Alignas(64) double places[CHUNK];
  *(vd *)places = e->kept_sum;
  sums->kept = sum_pairwise(places, CHUNK);
  *(vd *)places = e->total_sum;
  sums->total = sum_pairwise(places, CHUNK);
  if (e->has_kept) sums->kept += sum_interleaved(e->kept, tiles);
  if (e->has_gaps) sums->gap = sum_interleaved(e->gaps, tiles);
}
