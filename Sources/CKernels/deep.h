/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sweeps in float64, eight tiles at once, for tiles of which 16 bits show too little: weights of
 * many orders of magnitude, or ties on top of a large common part.
 *
 * Where all weights of a tile are multiples of a unit of at least 2^-22, ties are broken below it,
 * and the potentials are rounded so that all arithmetic is exact. Other tiles count as settled only
 * if no sign is in doubt.
 */

enum { DEEP_LANES = 8, FINEST_UNIT = -22, HELD_SWEEPS = 2 };

/* The sweeps' step, overdone where the weights are near enough to each other for that to help. */
NMK_INLINE vd8 deep_step(vd8 new, vd8 old, int round, vd8 overdo) {
  return round > 0 ? new + (new - old) * overdo : new;
}

NMK_INLINE vd8 least_deep(const vd8 *potentials, int m) {
  vd8 least = potentials[0];
  for (int j = 1; j < m; j++) least = potentials[j] < least ? potentials[j] : least;
  return least;
}

/* Potentials below zero become zero. */
NMK_INLINE vd8 cut_off(vd8 x) { return x > 0 ? x : (vd8){0}; }
NMK_INLINE vd8 above(vd8 x, vd8 floor) { return x > floor ? x : floor; }

#define DEEP_PARAMETERS \
  const nmk_plan *plan, const vd8 *floors, vd8 overdo, const vd8 *restrict w, vd8 *restrict u, vd8 *restrict v

typedef void deep_function(DEEP_PARAMETERS);

NMK_INLINE void deep_sweeps_fixed(DEEP_PARAMETERS, int m, int n) {
  const int count = plan->sweeps[2];
  vd8 x[NMK_MAX_TILE], first, second;
  for (int round = 0; round < count; round++) {
    const vd8 floor = round < HELD_SWEEPS ? floors[0] : floors[1];
    for (int i = 0; i < m; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < m; j++) x[j] = w[i * m + j] - v[j];
      middle_pair_d(x, m, n, &first, &second);
      first = above(first, floor), second = above(second, floor);
      u[i] = deep_step((first + second) * 0.5, u[i], round, overdo);
    }
    for (int j = 0; j < m; j++) {
#pragma clang loop unroll(full)
      for (int i = 0; i < m; i++) x[i] = w[i * m + j] - u[i];
      middle_pair_d(x, m, n, &first, &second);
      first = above(first, floor), second = above(second, floor);
      v[j] = deep_step((first + second) * 0.5, v[j], round, overdo);
    }
  }
}

/* Any pattern, as one of `size` values. */
NMK_INLINE void deep_sweeps_padded(DEEP_PARAMETERS, int size) {
  const int m = plan->m, n = plan->n;
  vd8 x[NMK_MAX_TILE], first, second;
  for (int round = 0; round < plan->sweeps[2]; round++) {
    const vd8 floor = round < HELD_SWEEPS ? floors[0] : floors[1];
    for (int side = 0; side < 2; side++) {
      for (int i = 0; i < m; i++) {
        if (side == 0) {
          for (int j = 0; j < m; j++) x[j] = w[i * m + j] - v[j];
        } else {
          for (int j = 0; j < m; j++) x[j] = w[j * m + i] - u[j];
        }
        for (int j = m; j < size; j++) x[j] = (vd8){0} - INFINITY;
        middle_pair_any_d(x, size, n, &first, &second);
        first = above(first, floor), second = above(second, floor);
        vd8 *const potential = (side == 0 ? u : v) + i;
        *potential = deep_step((first + second) * 0.5, *potential, round, overdo);
      }
    }
  }
}

#define DEEP_FIXED(N, M)                                                         \
  static void deep_sweeps_##N##_##M(DEEP_PARAMETERS) {                           \
    deep_sweeps_fixed(plan, floors, overdo, w, u, v, M, N);                      \
  }
DEEP_FIXED(1, 4)
DEEP_FIXED(2, 4)
DEEP_FIXED(3, 4)
DEEP_FIXED(2, 8)
DEEP_FIXED(4, 8)
DEEP_FIXED(8, 16)
#undef DEEP_FIXED
#define DEEP_PADDED(SIZE)                                                        \
  static void deep_sweeps_padded_##SIZE(DEEP_PARAMETERS) {                       \
    deep_sweeps_padded(plan, floors, overdo, w, u, v, SIZE);                     \
  }
DEEP_PADDED(4)
DEEP_PADDED(8)
DEEP_PADDED(16)
DEEP_PADDED(32)
DEEP_PADDED(64)
#undef DEEP_PADDED

static deep_function *deep_sweeps_for(int n, int m) {
  switch (m * 64 + n) {
  case 4 * 64 + 1: return deep_sweeps_1_4;
  case 4 * 64 + 2: return deep_sweeps_2_4;
  case 4 * 64 + 3: return deep_sweeps_3_4;
  case 8 * 64 + 2: return deep_sweeps_2_8;
  case 8 * 64 + 4: return deep_sweeps_4_8;
  case 16 * 64 + 8: return deep_sweeps_8_16;
  default: break;
  }
  return m <= 4 ? deep_sweeps_padded_4
    : m <= 8    ? deep_sweeps_padded_8
    : m <= 16   ? deep_sweeps_padded_16
    : m <= 32   ? deep_sweeps_padded_32
                : deep_sweeps_padded_64;
}

/* The unit of a scaled tile, as its logarithm. */
static int tile_unit(const block_double *w, int count) {
  /* After adding 1.5 * 2^52 the integer part can be read from the bits. */
  const double magic = 0x1.8p52, factor = 0x1p22;
  uint64_t all = 0;
  bool exact = true;
  for (int k = 0; k < count; k++) {
    const double x = w[k] * factor, shifted = x + magic;
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    all |= bits;
    exact &= shifted - magic == x;
  }
  if (!exact) return UNIT_UNKNOWN;
  all &= (1ull << 51) - 1;
  return all == 0 ? 13 : __builtin_ctzll(all) + FINEST_UNIT;
}

NMK_INLINE void deep_pass_fixed(engine *e, const int m, const int pitch) {
  const nmk_plan *plan = e->plan;
  const int n = plan->n;
  struct queue *const queue = &e->queues[DEEP_PASS];
  const int count = queue->count < DEEP_LANES ? queue->count : DEEP_LANES;
  queue->count -= count;
  pending_tile *const tiles = queue->entries + queue->count;
  vd8 *const w = e->deep, *const u = w + m * m, *const v = u + m;
  block_double *const lanes = (block_double *)e->deep;
  double inverse[DEEP_LANES];
  block_double *const tile = e->weights;
  vd8 grid = {0}, step = {0};
  vl8 is_exact = {0};

  for (int t = 0; t < DEEP_LANES; t++) {
    grid[t] = 1;
    inverse[t] = 1;
    if (t >= count) {
      for (int k = 0; k < m * m + 2 * m; k++) lanes[k * DEEP_LANES + t] = 0;
      continue;
    }
    inverse[t] = load_scaled(e, &tiles[t], tile, m, pitch);
    const int unit = tile_unit(tile, m * pitch);
    if (unit != UNIT_UNKNOWN) {
      tiles[t].step = __builtin_ldexp(1, unit - plan->path_bits - NMK_TIE_BITS);
      step[t] = tiles[t].step;
      tiles[t].is_coarse = false;
      /* One bit finer than the weights, so that a midpoint fits. */
      grid[t] = 2 / tiles[t].step;
      is_exact[t] = -1;
    }
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++) lanes[(i * m + j) * DEEP_LANES + t] = tile[i * pitch + j];
    for (int j = 0; j < m; j++) {
      lanes[(m * m + j) * DEEP_LANES + t] = tiles[t].u[j];
      lanes[(m * m + m + j) * DEEP_LANES + t] = tiles[t].v[j];
    }
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++) w[i * m + j] += step * (double)tie_break(plan, i, j, false);
  const vd8 overdo = {0};
  if (plan->at_most) {
    const vd8 shift = (least_deep(v, m) - least_deep(u, m)) * 0.5;
    for (int j = 0; j < m; j++) {
      u[j] = cut_off(u[j] + shift);
      v[j] = cut_off(v[j] - shift);
    }
  }
  /* Potentials are held at zero throughout under at_most, and during the first sweeps where the
     weights are of many orders of magnitude: large entries then settle without dragging along the
     rows and columns of small ones. (1e-30 to 1e30, 8:16: 80 % settle instead of 8 %.) */
  const vd8 none = (vd8){0} - INFINITY;
  const vd8 floors[2] = {
    plan->at_most ? (vd8){0} : is_exact ? none : (vd8){0},
    plan->at_most ? (vd8){0} : none,
  };
  if (!plan->at_most)
    for (int j = 0; j < m; j++) v[j] = is_exact ? v[j] : (vd8){0};
  deep_sweeps_for(n, m)(plan, floors, is_exact ? overdo + (m > 4 ? 0.25 : 0) : overdo, w, u, v);

  /* Round the potentials of exact tiles to the grid: below 2^51 units of it, as they are, the
     constant makes the sum an integer. */
  for (int k = 0; k < 2 * m; k++) {
    const vd8 rounded = (u[k] * grid + 0x1.8p52 - 0x1.8p52) / grid;
    u[k] = is_exact ? rounded : u[k];
    if (plan->at_most) u[k] = cut_off(u[k]);
  }

  vl8 column_counts[NMK_MAX_TILE], rows[NMK_MAX_TILE], wrong = {0}, unclear = {0};
  vd8 column_sums[NMK_MAX_TILE], doubt[NMK_MAX_TILE];
  for (int j = 0; j < pitch; j++) {
    column_counts[j] = (vl8){0};
    column_sums[j] = (vd8){0};
  }
  /* How far w - u can be rounded where it is near v. Where it is not, rounding does not matter. */
  for (int j = 0; j < m; j++)
    doubt[j] = is_exact ? (vd8){0} : (v[j] > 0 ? v[j] : -v[j]) * 0x1p-51;
  for (int i = 0; i < m; i++) {
    vl8 row_count = {0}, bits = {0};
    for (int j = 0; j < m; j++) {
      const vd8 rest = w[i * m + j] - u[i];
      const vl8 keep = rest > v[j] + doubt[j];
      unclear |= keep ^ (rest > v[j] - doubt[j]);
      row_count -= keep;
      column_counts[j] -= keep;
      bits |= keep & (vl8){0} + (int64_t)(1ull << j);
      const vd8 true_weight = w[i * m + j] - step * (double)tie_break(plan, i, j, false);
      column_sums[j] += (vd8)((vl8)true_weight & keep);
    }
    wrong |= plan->at_most ? (row_count > n) | ((row_count < n) & (u[i] > 0)) : row_count != n;
    rows[i] = bits;
  }
  for (int j = 0; j < m; j++) {
    const vl8 count = column_counts[j];
    wrong |= plan->at_most ? (count > n) | ((count < n) & (v[j] > 0)) : count != n;
  }
  for (int length = pitch; length > 1; length /= 2)
    for (int k = 0; k < length / 2; k++)
      column_sums[k] = column_sums[2 * k] + column_sums[2 * k + 1];

  for (int t = 0; t < count; t++) {
    if (!wrong[t] && !unclear[t]) {
      for (int i = 0; i < m; i++)
        put_bits(mask_row(e, tiles[t].strip, i), (size_t)tiles[t].place * (size_t)m, m,
          (uint64_t)rows[i][t]);
      note_kept(e, tiles[t].strip, tiles[t].place, column_sums[0][t] * inverse[t]);
      e->sums->settled[2]++;
      continue;
    }
    for (int j = 0; j < m; j++) {
      tiles[t].u[j] = u[j][t];
      tiles[t].v[j] = v[j][t];
    }
    settle_alone(e, &tiles[t]);
  }
}

#define DEEP_FIXED(P)                                           \
  static void deep_pass_##P(engine *e) { deep_pass_fixed(e, P, P); }
DEEP_FIXED(4)
DEEP_FIXED(8)
DEEP_FIXED(16)
DEEP_FIXED(32)
#undef DEEP_FIXED

static void deep_pass(engine *e) {
  switch (e->plan->m) {
  case 4: deep_pass_4(e); break;
  case 8: deep_pass_8(e); break;
  case 16: deep_pass_16(e); break;
  case 32: deep_pass_32(e); break;
  default: deep_pass_fixed(e, e->plan->m, e->plan->pitch); break;
  }
}
