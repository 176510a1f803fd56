/* SPDX-License-Identifier: GPL-3.0-or-later */
/* n = m: nothing is left to choose. */
static void keep_all(engine *e) {
  const int m = e->plan->m, pitch = e->plan->pitch;
  nmk_sums *const sums = e->sums;
  for (uint32_t s = 0; s < e->strip->strips; s++) {
    for (uint32_t t = 0; t < e->strip->tiles; t++) {
      double columns[NMK_MAX_TILE] = {0};
      for (int i = 0; i < m; i++) {
        double row[NMK_MAX_TILE];
        load_double(row, weights_at(e, s, t, i), m, e->strip->dtype);
        for (int j = 0; j < m; j++) columns[j] += row[j];
        put_bits(mask_row(e, s, i), (size_t)t * (size_t)m, m, ~0ull);
      }
      sums->total += sum_pairwise(columns, pitch);
    }
  }
  sums->kept = sums->total;
  if (!(sums->total < INFINITY)) sums->nonfinite = find_not_finite(e->plan, e->strip);
  sums->settled[0] = e->strip->tiles * e->strip->strips;
}
