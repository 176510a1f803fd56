/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dual sweeps in 16-bit integers, NMK_LANES tiles at once.
 *
 * The dual of a tile is: minimise n sum u + n sum v + sum max(0, w - u - v). With v fixed, each
 * u_i is best anywhere between the n-th and the (n + 1)-th largest of w_ij - v_j; the midpoint is
 * taken, for rows and for columns in turn. Weights are the caller's, rounded to an integer below
 * 2^14: what the sweeps find is a dual for any weights, and whether it is the right one is read
 * off the true ones.
 *
 * From the second sweep on each step is overdone by a quarter (not for the smallest tiles, which
 * have converged by then): that saves half the sweeps at 16:32.
 *
 * s holds OFFSET - v, so that all numbers stay positive: rows add it, and columns take the
 * weights from u. The mean of two unsigned numbers is one instruction.
 */

#define OFFSET 0x8000

NMK_INLINE vu mean(vu a, vu b) { return (a | b) - ((a ^ b) >> 1); }

NMK_INLINE vu overdo(vu new, vu old, int round, int m) {
  if (m <= 4) return new;
  const vu step = (vu)((vs)(new - old) >> 2);
  return round == 0 ? new : new + step;
}

/*
 * Under at_most all potentials must be >= 0 after a shift from one side to the other: u_i >= -v_j
 * for all i and j. `bound` is the largest -v_j (as s) or the least u_i.
 */
NMK_INLINE void hold_row(vu *first, vu *second, vu bound) {
  const vu high = __builtin_elementwise_max(*first, *second);
  const vu low = __builtin_elementwise_min(*first, *second);
  *first = high;
  *second = __builtin_elementwise_min(high, __builtin_elementwise_max(low, bound));
}
NMK_INLINE void hold_column(vu *first, vu *second, vu bound) {
  const vu high = __builtin_elementwise_max(*first, *second);
  const vu low = __builtin_elementwise_min(*first, *second);
  *first = low;
  *second = __builtin_elementwise_max(low, __builtin_elementwise_min(high, bound));
}
NMK_INLINE vu largest_of(const vu *x, int m) {
  vu result = x[0];
  for (int j = 1; j < m; j++) result = __builtin_elementwise_max(result, x[j]);
  return result;
}
NMK_INLINE vu least_of(const vu *x, int m) {
  vu result = x[0];
  for (int j = 1; j < m; j++) result = __builtin_elementwise_min(result, x[j]);
  return result;
}

#define SWEEP_PARAMETERS const nmk_plan *plan, const vu *restrict q, vu *restrict u, vu *restrict s
typedef void sweep_function(SWEEP_PARAMETERS, int count, bool held);

NMK_INLINE void sweep_fixed(SWEEP_PARAMETERS, int m, int n, int count, bool held) {
  (void)plan;
  vu x[NMK_MAX_TILE], first, second;
  for (int round = 0; round < count; round++) {
    const vu row_bound = held ? largest_of(s, m) : (vu){0};
    for (int i = 0; i < m; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < m; j++) x[j] = q[i * m + j] + s[j];
      middle_pair_u(x, m, n, &first, &second);
      if (held) hold_row(&first, &second, row_bound);
      u[i] = overdo(mean(first, second), u[i], round, m);
    }
    const vu column_bound = held ? least_of(u, m) : (vu){0};
    for (int j = 0; j < m; j++) {
#pragma clang loop unroll(full)
      for (int i = 0; i < m; i++) x[i] = u[i] - q[i * m + j];
      middle_pair_u(x, m, m - n, &first, &second);
      if (held) hold_column(&first, &second, column_bound);
      s[j] = overdo(mean(first, second), s[j], round, m);
    }
  }
}

#define FIXED_SWEEPS(N, M)                                       \
  static void sweep_##N##_##M(SWEEP_PARAMETERS, int count, bool held) { \
    if (held) {                                                  \
      sweep_fixed(plan, q, u, s, M, N, count, true);             \
    } else {                                                     \
      sweep_fixed(plan, q, u, s, M, N, count, false);            \
    }                                                            \
  }
FIXED_SWEEPS(1, 2)
FIXED_SWEEPS(1, 4)
FIXED_SWEEPS(2, 4)
FIXED_SWEEPS(3, 4)
FIXED_SWEEPS(1, 8)
FIXED_SWEEPS(2, 8)
FIXED_SWEEPS(4, 8)
FIXED_SWEEPS(1, 16)
FIXED_SWEEPS(4, 16)
FIXED_SWEEPS(8, 16)
FIXED_SWEEPS(1, 32)
FIXED_SWEEPS(8, 32)
FIXED_SWEEPS(16, 32)

/* Any other pattern, as one of `size` values that are filled up with zeros. */
NMK_INLINE void sweep_padded(SWEEP_PARAMETERS, int size, int count, bool held) {
  const int m = plan->m, n = plan->n;
  vu x[NMK_MAX_TILE], first, second;
  for (int round = 0; round < count; round++) {
    for (int side = 0; side < 2; side++) {
      vu bound = {0};
      if (held) bound = side == 0 ? largest_of(s, m) : least_of(u, m);
      for (int i = 0; i < m; i++) {
        if (side == 0) {
          for (int j = 0; j < m; j++) x[j] = q[i * m + j] + s[j];
        } else {
          for (int j = 0; j < m; j++) x[j] = u[j] - q[j * m + i];
        }
        for (int j = m; j < size; j++) x[j] = (vu){0};
        middle_pair_any_u(x, size, side == 0 ? n : m - n, &first, &second);
        if (held) (side == 0 ? hold_row : hold_column)(&first, &second, bound);
        vu *const potential = (side == 0 ? u : s) + i;
        *potential = overdo(mean(first, second), *potential, round, m);
      }
    }
  }
}

#define PADDED_SWEEPS(SIZE)                                             \
  static void sweep_padded_##SIZE(SWEEP_PARAMETERS, int count, bool held) { \
    sweep_padded(plan, q, u, s, SIZE, count, held);                     \
  }
PADDED_SWEEPS(4)
PADDED_SWEEPS(8)
PADDED_SWEEPS(16)
PADDED_SWEEPS(32)
PADDED_SWEEPS(64)

static sweep_function *sweep_for(int n, int m) {
  switch (m * 64 + n) {
  case 2 * 64 + 1: return sweep_1_2;
  case 4 * 64 + 1: return sweep_1_4;
  case 4 * 64 + 2: return sweep_2_4;
  case 4 * 64 + 3: return sweep_3_4;
  case 8 * 64 + 1: return sweep_1_8;
  case 8 * 64 + 2: return sweep_2_8;
  case 8 * 64 + 4: return sweep_4_8;
  case 16 * 64 + 1: return sweep_1_16;
  case 16 * 64 + 4: return sweep_4_16;
  case 16 * 64 + 8: return sweep_8_16;
  case 32 * 64 + 1: return sweep_1_32;
  case 32 * 64 + 8: return sweep_8_32;
  case 32 * 64 + 16: return sweep_16_32;
  default: break;
  }
  return m <= 4 ? sweep_padded_4
    : m <= 8    ? sweep_padded_8
    : m <= 16   ? sweep_padded_16
    : m <= 32   ? sweep_padded_32
                : sweep_padded_64;
}
