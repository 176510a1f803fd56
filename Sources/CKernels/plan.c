/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ckernels.h"

bool nmk_plan_init(nmk_plan *plan, int n, int m, bool at_most) {
  if (n < 1 || n > m || m > NMK_MAX_TILE) return false;
  *plan = (nmk_plan){.n = n, .m = m, .at_most = at_most, .pitch = 2};
  while (plan->pitch < m) plan->pitch *= 2;
  if (n == m) return true;
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

size_t nmk_top_n_workspace_bytes(int m) {
  /* A piece of 512 columns: keys of 8 bytes, and bits. */
  return (size_t)m * (512 * 8 + 512 / 8);
}
