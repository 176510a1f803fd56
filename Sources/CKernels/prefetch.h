/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a block before its turn. Each of its rows lies in a page of its own and gives a few cache
   lines only, too few for the processor to see where they lead; the rows of tiles above 8 have lines
   enough.

   Four rows fit the first cache. Eight do not where the distance between rows is a power of two: all
   of them then compete for the same few places, so they wait in the second. */

#define PREFETCH_ROWS(RANK)                                                 \
  for (int i = 0; i < m; i++) {                                             \
    const char *from = weights_at(e, strip, (uint32_t)first, i);            \
    for (ptrdiff_t k = 0; k < bytes; k += 64) __builtin_prefetch(from + k, 0, RANK); \
  }

NMK_INLINE void prefetch_block(const engine *e, uint32_t strip, size_t first) {
  const int m = e->plan->m;
  if (m > 8) return;
  if (first >= e->strip->tiles) {
    strip++;
    first -= e->strip->tiles;
    if (strip >= e->strip->strips || first >= e->strip->tiles) return;
  }
  const ptrdiff_t bytes = NMK_LANES * m * e->size;
  if (m <= 4) {
    PREFETCH_ROWS(3)
  } else {
    PREFETCH_ROWS(2)
  }
}

#undef PREFETCH_ROWS
