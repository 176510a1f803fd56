/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "ckernels.h"

/* Batcher's odd-even merge sort of m values, largest first, less the comparators that the ranks
   wanted - 1 and wanted (from 0) do not need. (Knuth, The Art of Computer Programming 3, 5.2.2,
   algorithm M.) Returns the number of comparators. */
static int make_network(uint8_t network[][2], int m, int wanted) {
  int count = 0, size = 1;
  while (size < m) size *= 2;
  for (int p = size / 2; p > 0; p /= 2) {
    int q = size / 2, r = 0, d = p;
    for (;;) {
      for (int i = 0; i < m - d; i++) {
        if ((i & p) != r) continue;
        network[count][0] = (uint8_t)i;
        network[count][1] = (uint8_t)(i + d);
        count++;
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
  uint64_t needed = 1ull << (wanted - 1) | 1ull << wanted;
  int first = count;
  for (int k = count - 1; k >= 0; k--) {
    const uint64_t both = 1ull << network[k][0] | 1ull << network[k][1];
    /* The last exchange of the two is not needed either: only their mean is. */
    if (!(needed & both) || (both == needed && first == count)) continue;
    needed |= both;
    first--;
    network[first][0] = network[k][0];
    network[first][1] = network[k][1];
  }
  memmove(network, network + first, (size_t)(count - first) * sizeof(network[0]));
  return count - first;
}

bool nmk_plan_init(nmk_plan *plan, int n, int m, bool at_most) {
  if (n < 1 || n > m || m > NMK_MAX_TILE) return false;
  *plan = (nmk_plan){.n = n, .m = m, .at_most = at_most, .pitch = 2};
  while (plan->pitch < m) plan->pitch *= 2;
  if (n == m) return true;
  plan->comparators[0] = make_network(plan->network[0], m, n);
  plan->comparators[1] = make_network(plan->network[1], m, m - n);
  plan->sweeps[0] = m <= 2 ? 2 : m <= 4 ? 4 : m <= 8 ? 5 : m <= 16 ? 7 : 8;
  plan->sweeps[1] = m <= 2 ? 2 : m <= 4 ? 4 : m <= 8 ? 6 : m <= 16 ? 8 : 12;
  plan->sweeps[2] = m <= 4 ? 5 : 8;
  plan->near = 2 + m / 8;
  while (1 << plan->path_bits < m) plan->path_bits++;
  /* A diagonal band, which is itself a mask, above noise: equal tiles are settled by the band,
     and partly equal ones by the noise. (Steele et al., splitmix64.) */
  const int row = plan->pitch > 16 ? plan->pitch : 16;
  uint64_t state = 1;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < m; j++) {
      state += 0x9e3779b97f4a7c15;
      uint64_t x = state;
      x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
      x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
      x ^= x >> 31;
      const int noise = (int)(x >> (64 - NMK_TIE_BITS + 1));
      const int band = (j - i + m) % m < n ? 1 << (NMK_TIE_BITS - 1) : 0;
      plan->tie_break[i * row + j] = (uint16_t)(band + noise);
    }
    for (int j = plan->pitch; j < row; j++)
      plan->tie_break[i * row + j] = plan->tie_break[i * row + j - plan->pitch];
  }
  return true;
}

size_t nmk_workspace_bytes(const nmk_plan *plan, size_t tiles) {
  /* For the widest block, with room for rounding each piece up to whole cache lines. */
  const size_t lanes = 32, m = (size_t)plan->m, pitch = (size_t)plan->pitch;
  const size_t entries = m * lanes * pitch;
  return entries * 8 + m * m * 256 + lanes * pitch * 80 + lanes * m * 128 + 512 * 1024 + tiles * 16;
}
