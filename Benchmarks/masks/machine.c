// SPDX-License-Identifier: GPL-3.0-or-later
// The matrix that `nmmask bench` makes, and how fast this core reads memory.

#include <math.h>
#include <stdint.h>

static uint64_t next(uint64_t *state) {
  uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

static double uniform(uint64_t *state) { return (double)(next(state) >> 11) * 0x1p-53; }

/// N(0, 1) by SplitMix64, Box and Muller: bit for bit the kind `normal` of `nmmask bench`.
void normal_weights(float *weights, int64_t count, uint64_t seed) {
  for (int64_t k = 0; k < count; k++) {
    double radius = sqrt(-2 * log(1 - uniform(&seed)));
    weights[k] = (float)(radius * cos(2 * M_PI * uniform(&seed)));
  }
}

typedef int32_t Words __attribute__((vector_size(64)));

/// Reads `count` floats once, a multiple of 64, as nothing but a sum of their bits.
int32_t read_memory(const float *memory, int64_t count) {
  const Words *words = (const Words *)memory;
  Words sums[4] = {};
  for (int64_t k = 0; k < count / 16; k += 4)
    for (int lane = 0; lane < 4; lane++) sums[lane] += words[k + lane];
  Words sum = sums[0] + sums[1] + sums[2] + sums[3];
  int32_t total = 0;
  for (int k = 0; k < 16; k++) total += sum[k];
  return total;
}
