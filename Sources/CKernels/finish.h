/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last stage: shortest augmenting paths in one tile, in float64.
 *
 * Starts from any potentials, keeps every entry of positive reduced cost, and moves units along
 * shortest paths from rows that lack entries (and columns that hold too many) to columns that lack
 * some (and rows that hold too many), with the usual update of the potentials: R. K. Ahuja,
 * T. L. Magnanti, J. B. Orlin, "Network Flows", 1993, section 9.7. Entries of reduced cost zero
 * are first given out on bit sets, where a search costs a few instructions for each row.
 *
 * Under at_most there is one more node, the hub, of potential 0. A row that keeps fewer than n
 * sends the rest to the hub, at the cost of its potential, and a column gets its rest from there.
 */

typedef struct finish_memory {
  double w[NMK_MAX_TILE * NMK_MAX_TILE];          /* by rows, `pitch` >= 8 apart */
  double transposed[NMK_MAX_TILE * NMK_MAX_TILE]; /* by columns */
  double u[NMK_MAX_TILE], v[NMK_MAX_TILE];
  uint64_t kept[NMK_MAX_TILE], kept_in_column[NMK_MAX_TILE];
  uint64_t tight[NMK_MAX_TILE], tight_in_column[NMK_MAX_TILE];
  int32_t row_lacks[NMK_MAX_TILE], column_lacks[NMK_MAX_TILE]; /* negative: holds too many */
  int32_t row_slack[NMK_MAX_TILE], column_slack[NMK_MAX_TILE]; /* units to and from the hub */
  /* Distances, those of nodes still to be visited, and predecessors: rows, then columns. */
  double distance[2 * NMK_MAX_TILE], open[2 * NMK_MAX_TILE];
  int64_t previous[2 * NMK_MAX_TILE];
} finish_memory;

/* Moves a unit along row -> column: the entry is kept from now on. Or back. */
NMK_INLINE void flip_entry(finish_memory *f, int row, int column) {
  f->kept[row] ^= 1ull << column;
  f->kept_in_column[column] ^= 1ull << row;
}

NMK_INLINE void read_tile(finish_memory *f, int n, int m, int pitch) {
  for (int i = 0; i < m; i++) f->kept_in_column[i] = f->tight_in_column[i] = 0;
  for (int i = 0; i < m; i++) {
    uint64_t keep = 0, tight = 0;
    for (int j = 0; j < pitch; j += 8) {
      const vd8 reduced =
        *(const vd8 *)(f->w + i * pitch + j) - f->u[i] - *(const vd8 *)(f->v + j);
      keep |= (uint64_t)bits_of_eight(reduced > 0) << j;
      tight |= (uint64_t)bits_of_eight(reduced == 0) << j;
    }
    f->kept[i] = keep;
    f->tight[i] = tight;
    f->row_lacks[i] = n - __builtin_popcountll(keep);
    for (uint64_t rest = keep; rest; rest &= rest - 1)
      f->kept_in_column[__builtin_ctzll(rest)] |= 1ull << i;
    for (uint64_t rest = tight; rest; rest &= rest - 1)
      f->tight_in_column[__builtin_ctzll(rest)] |= 1ull << i;
  }
  for (int j = 0; j < m; j++)
    f->column_lacks[j] = n - __builtin_popcountll(f->kept_in_column[j]);
}

NMK_INLINE uint64_t rotate(uint64_t bits, int by, int m) {
  const uint64_t all = m == 64 ? ~0ull : (1ull << m) - 1;
  return by == 0 ? bits : ((bits >> by) | (bits << (m - by))) & all;
}

/* Gives entries of reduced cost zero to rows and columns that both lack some. Each row starts
   where the row above would stop if all were equal, so that columns fill evenly. */
static void fill_ties(finish_memory *f, int n, int m) {
  uint64_t lacking = 0;
  for (int j = 0; j < m; j++) lacking |= (uint64_t)(f->column_lacks[j] > 0) << j;
  for (int i = 0; i < m; i++) {
    if (f->row_lacks[i] <= 0) continue;
    const int start = (int)((long)i * n % m);
    uint64_t choice = rotate(f->tight[i] & ~f->kept[i] & lacking, start, m);
    for (; choice && f->row_lacks[i] > 0; choice &= choice - 1) {
      int j = __builtin_ctzll(choice) + start;
      if (j >= m) j -= m;
      flip_entry(f, i, j);
      f->row_lacks[i]--;
      if (--f->column_lacks[j] == 0) lacking &= ~(1ull << j);
    }
  }
}

/* One breadth-first search over entries of reduced cost zero, from all rows that lack some and all
   columns that hold too many; moves one unit. False if there is no path. */
static bool augment_ties(finish_memory *f, int m) {
  uint64_t row_todo = 0, column_todo = 0, rows, columns, sink_rows = 0, sink_columns = 0;
  for (int i = 0; i < m; i++) {
    row_todo |= (uint64_t)(f->row_lacks[i] > 0) << i;
    sink_rows |= (uint64_t)(f->row_lacks[i] < 0) << i;
    column_todo |= (uint64_t)(f->column_lacks[i] < 0) << i;
    sink_columns |= (uint64_t)(f->column_lacks[i] > 0) << i;
  }
  rows = row_todo;
  columns = column_todo;
  const uint64_t source_rows = rows, source_columns = columns;
  int8_t row_from[NMK_MAX_TILE], column_from[NMK_MAX_TILE];
  int end = -1;
  bool ends_in_column = false;
  while (end < 0 && (row_todo | column_todo)) {
    uint64_t next_rows = 0, next_columns = 0;
    for (; row_todo && end < 0; row_todo &= row_todo - 1) {
      const int i = __builtin_ctzll(row_todo);
      const uint64_t found = f->tight[i] & ~f->kept[i] & ~columns;
      columns |= found;
      next_columns |= found;
      for (uint64_t rest = found; rest; rest &= rest - 1)
        column_from[__builtin_ctzll(rest)] = (int8_t)i;
      if (found & sink_columns) {
        end = __builtin_ctzll(found & sink_columns);
        ends_in_column = true;
      }
    }
    for (; column_todo && end < 0; column_todo &= column_todo - 1) {
      const int j = __builtin_ctzll(column_todo);
      const uint64_t found = f->tight_in_column[j] & f->kept_in_column[j] & ~rows;
      rows |= found;
      next_rows |= found;
      for (uint64_t rest = found; rest; rest &= rest - 1)
        row_from[__builtin_ctzll(rest)] = (int8_t)j;
      if (found & sink_rows) end = __builtin_ctzll(found & sink_rows);
    }
    row_todo = next_rows;
    column_todo = next_columns;
  }
  if (end < 0) return false;
  if (ends_in_column) {
    f->column_lacks[end]--;
  } else {
    f->row_lacks[end]++;
  }
  bool at_column = ends_in_column;
  int node = end;
  while (!(at_column ? source_columns >> node & 1 : source_rows >> node & 1)) {
    const int from = at_column ? column_from[node] : row_from[node];
    if (at_column) {
      flip_entry(f, from, node);
    } else {
      flip_entry(f, node, from);
    }
    node = from;
    at_column = !at_column;
  }
  if (at_column) {
    f->column_lacks[node]++;
  } else {
    f->row_lacks[node]--;
  }
  return true;
}

/* Shortens the distances of `count` heads by way of one node at `base`: to those whose bit of
   `allowed` is set, over arcs of length max(0, sign * (w - own - potential)). */
NMK_INLINE void relax_all(
  double *distance, double *open, int64_t *previous, const double *w, const double *potential,
  double own, double sign, uint64_t allowed, double base, int64_t node, int count) {
  for (int k = 0; k < count; k += 8) {
    const vd8 reduced = (*(const vd8 *)(w + k) - own - *(const vd8 *)(potential + k)) * sign;
    /* Rounding can leave it a little below zero. */
    const vd8 length = base + (reduced > 0 ? reduced : (vd8){0});
    vd8 *const d = (vd8 *)(distance + k), *const o = (vd8 *)(open + k);
    vl8 *const p = (vl8 *)(previous + k);
    const vl8 shorter = (length < *d) & mask_of_eight(allowed, k);
    *d = shorter ? length : *d;
    *o = shorter ? length : *o;
    *p = shorter ? (vl8){0} + node : *p;
  }
}

/* The least of `count` values, a multiple of 8, and where it first is. */
NMK_INLINE double find_least(const double *values, int count, int *place) {
  vd8 least = *(const vd8 *)values;
  for (int k = 8; k < count; k += 8) {
    const vd8 x = *(const vd8 *)(values + k);
    least = x < least ? x : least;
  }
  double result = least[0];
  for (int k = 1; k < 8; k++) result = least[k] < result ? least[k] : result;
  for (int k = 0; k < count; k += 8) {
    const uint8_t found = bits_of_eight(*(const vd8 *)(values + k) == result);
    if (found) {
      *place = k + __builtin_ctz(found);
      break;
    }
  }
  return result;
}

/* Moves one unit along a shortest path. False if there is none, which cannot happen. */
static bool augment_shortest(finish_memory *f, int m, int pitch, bool at_most, int32_t *hub_lacks) {
  enum { NONE = -1 };
  const int64_t hub = 2 * NMK_MAX_TILE;
  double *const row_distance = f->distance, *const column_distance = f->distance + pitch;
  double *const row_open = f->open, *const column_open = f->open + pitch;
  int64_t *const row_previous = f->previous, *const column_previous = f->previous + pitch;
  double hub_distance = INFINITY, hub_open = INFINITY;
  int64_t hub_previous = NONE;
  for (int k = 0; k < 2 * pitch; k++) {
    f->distance[k] = f->open[k] = INFINITY;
    f->previous[k] = NONE;
  }
  for (int i = 0; i < m; i++) {
    if (f->row_lacks[i] > 0) row_distance[i] = row_open[i] = 0;
    if (f->column_lacks[i] < 0) column_distance[i] = column_open[i] = 0;
  }
  if (at_most && *hub_lacks > 0) hub_distance = hub_open = 0;

  int64_t end = NONE;
  double limit = 0;
  for (;;) {
    int place = 0;
    double nearest = find_least(f->open, 2 * pitch, &place);
    int64_t node = NONE;
    if (at_most && hub_open < INFINITY && hub_open <= nearest) {
      node = hub;
      nearest = hub_open;
    }
    if (nearest == INFINITY) return false;
    if (node == NONE) node = place;
    limit = nearest;
    if (node == hub) {
      if (*hub_lacks < 0) { end = node; break; }
      hub_open = INFINITY;
      for (int k = 0; k < m; k++) {
        if (f->row_slack[k] > 0 && nearest < row_distance[k]) {
          row_distance[k] = row_open[k] = nearest;
          row_previous[k] = hub;
        }
        const double length = nearest + f->v[k];
        if (length < column_distance[k]) {
          column_distance[k] = column_open[k] = length;
          column_previous[k] = hub;
        }
      }
    } else if (node < pitch) {
      const int i = (int)node;
      if (f->row_lacks[i] < 0) { end = node; break; }
      row_open[i] = INFINITY;
      relax_all(column_distance, column_open, column_previous, f->w + i * pitch, f->v, f->u[i],
        -1, ~f->kept[i], nearest, node, pitch);
      if (at_most && nearest + f->u[i] < hub_distance) {
        hub_distance = hub_open = nearest + f->u[i];
        hub_previous = node;
      }
    } else {
      const int j = (int)node - pitch;
      if (f->column_lacks[j] > 0) { end = node; break; }
      column_open[j] = INFINITY;
      relax_all(row_distance, row_open, row_previous, f->transposed + j * pitch, f->u, f->v[j],
        1, f->kept_in_column[j], nearest, node, pitch);
      if (at_most && f->column_slack[j] > 0 && nearest < hub_distance) {
        hub_distance = hub_open = nearest;
        hub_previous = node;
      }
    }
  }

  /* The hub's potential stays 0; without a hub any reference does. */
  const double reference = at_most && hub_distance < limit ? hub_distance : limit;
  for (int k = 0; k < m; k++) {
    const double r = row_distance[k] < limit ? row_distance[k] : limit;
    const double c = column_distance[k] < limit ? column_distance[k] : limit;
    f->u[k] += r - reference;
    f->v[k] -= c - reference;
    if (at_most) {
      f->u[k] = f->u[k] > 0 ? f->u[k] : 0;
      f->v[k] = f->v[k] > 0 ? f->v[k] : 0;
    }
  }

  if (end == hub) {
    ++*hub_lacks;
  } else if (end < pitch) {
    f->row_lacks[end]++;
  } else {
    f->column_lacks[end - pitch]--;
  }
  int64_t node = end;
  for (;;) {
    const int64_t from = node == hub ? hub_previous : f->previous[node];
    if (from == NONE) break;
    if (from == hub) {
      if (node < pitch) {
        f->row_slack[node]--;
      } else {
        f->column_slack[node - pitch]++;
      }
    } else if (node == hub) {
      if (from < pitch) {
        f->row_slack[from]++;
      } else {
        f->column_slack[from - pitch]--;
      }
    } else if (node < pitch) {
      flip_entry(f, (int)node, (int)(from - pitch));
    } else {
      flip_entry(f, (int)from, (int)(node - pitch));
    }
    node = from;
  }
  if (node == hub) {
    --*hub_lacks;
  } else if (node < pitch) {
    f->row_lacks[node]--;
  } else {
    f->column_lacks[node - pitch]++;
  }
  return true;
}

NMK_INLINE void transpose(finish_memory *f, int m, int pitch) {
  for (int j = 0; j < m; j++) {
    double *const column = f->transposed + j * pitch;
    for (int i = 0; i < m; i++) column[i] = f->w[i * pitch + j];
    for (int i = m; i < pitch; i++) column[i] = 0;
  }
}

NMK_INLINE bool is_balanced(const finish_memory *f, int m, int32_t hub_lacks) {
  int32_t any = hub_lacks;
  for (int k = 0; k < m; k++) any |= f->row_lacks[k] | f->column_lacks[k];
  return any == 0;
}

/*
 * Finds the best mask of the tile in `f->w` from the potentials in `f->u` and `f->v`, none of which
 * is negative under at_most. Columns from m to pitch hold zeros.
 *
 * Returns what another mask could score above it: the sum of the violations of complementary
 * slackness, which are all of one sign.
 */
static double finish_tile(finish_memory *f, int n, int m, int pitch, bool at_most) {
  /* Nodes beyond m must never look near. */
  for (int k = m; k < pitch; k++) f->u[k] = f->v[k] = INFINITY;
  read_tile(f, n, m, pitch);
  int32_t hub_lacks = 0;
  if (at_most) {
    for (int k = 0; k < m; k++) {
      f->row_slack[k] = f->column_slack[k] = 0;
      if (f->u[k] == 0 && f->row_lacks[k] > 0) {
        hub_lacks += f->row_slack[k] = f->row_lacks[k];
        f->row_lacks[k] = 0;
      }
      if (f->v[k] == 0 && f->column_lacks[k] > 0) {
        hub_lacks -= f->column_slack[k] = f->column_lacks[k];
        f->column_lacks[k] = 0;
      }
    }
  }
  if (!is_balanced(f, m, hub_lacks)) {
    fill_ties(f, n, m);
    while (augment_ties(f, m)) {}
  }
  if (!is_balanced(f, m, hub_lacks)) transpose(f, m, pitch);
  while (!is_balanced(f, m, hub_lacks))
    if (!augment_shortest(f, m, pitch, at_most, &hub_lacks)) break;

  vd8 gaps = {0};
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < pitch; j += 8) {
      const vd8 reduced =
        *(const vd8 *)(f->w + i * pitch + j) - f->u[i] - *(const vd8 *)(f->v + j);
      const vd8 violation = mask_of_eight(f->kept[i], j) ? -reduced : reduced;
      gaps += violation > 0 ? violation : (vd8){0};
    }
  }
  double gap = 0;
  for (int k = 0; k < 8; k++) gap += gaps[k];
  for (int i = 0; i < m; i++) {
    if (at_most) {
      gap += f->u[i] * (n - __builtin_popcountll(f->kept[i]));
      gap += f->v[i] * (n - __builtin_popcountll(f->kept_in_column[i]));
    }
  }
  return gap;
}
