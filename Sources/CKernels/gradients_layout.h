/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Between memory order and [entry][lane]; included once for each instruction set. */

INLINE uint8_t SET(bits_of)(u32x8 output) {
  b1x8 kept = __builtin_convertvector((f32x8)output != 0, b1x8);
  uint8_t byte;
  memcpy(&byte, &kept, 1);
  return byte;
}

INLINE u32x8 SET(load)(const void *source) {
  u32x8 v;
  memcpy(&v, source, sizeof v);
  return v;
}

/* Transposes an 8 x 8 block of 32-bit numbers. */
INLINE void SET(transpose)(u32x8 *r) {
  u32x8 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; i++) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 8; i++) r[i] = t[i];
}

/* From 8 groups of m numbers in memory order to [entry][lane]. */
INLINE void SET(gather)(const int m, const u32x8 *memory, u32x8 *entries) {
  if (m == 2) {
    entries[0] = __builtin_shufflevector(memory[0], memory[1], 0, 2, 4, 6, 8, 10, 12, 14);
    entries[1] = __builtin_shufflevector(memory[0], memory[1], 1, 3, 5, 7, 9, 11, 13, 15);
  } else if (m == 4) {
    u32x8 t[4];
    for (int i = 0; i < 2; i++) {
      t[i] = __builtin_shufflevector(
        memory[2 * i], memory[2 * i + 1], 0, 4, 8, 12, 2, 6, 10, 14);
      t[i + 2] = __builtin_shufflevector(
        memory[2 * i], memory[2 * i + 1], 1, 5, 9, 13, 3, 7, 11, 15);
    }
    for (int i = 0; i < 2; i++) {
      entries[i] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11);
      entries[i + 2] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  } else if (m % 8 == 0) {
    for (int j = 0; j < m / 8; j++) {
      u32x8 square[8];
      for (int l = 0; l < 8; l++) square[l] = memory[l * (m / 8) + j];
      SET(transpose)(square);
      for (int i = 0; i < 8; i++) entries[8 * j + i] = square[i];
    }
  } else {
    const uint32_t *from = (const uint32_t *)memory;
    uint32_t *to = (uint32_t *)entries;
    for (int i = 0; i < m; i++) {
      for (int l = 0; l < 8; l++) to[8 * i + l] = from[l * m + i];
    }
  }
}

/* The inverse of gather. */
INLINE void SET(scatter)(const int m, const u32x8 *entries, u32x8 *memory) {
  if (m == 2) {
    memory[0] = __builtin_shufflevector(entries[0], entries[1], 0, 8, 1, 9, 2, 10, 3, 11);
    memory[1] = __builtin_shufflevector(entries[0], entries[1], 4, 12, 5, 13, 6, 14, 7, 15);
  } else if (m == 4) {
    u32x8 t[4];
    for (int i = 0; i < 2; i++) {
      t[2 * i] =
        __builtin_shufflevector(entries[2 * i], entries[2 * i + 1], 0, 8, 1, 9, 2, 10, 3, 11);
      t[2 * i + 1] =
        __builtin_shufflevector(entries[2 * i], entries[2 * i + 1], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
      memory[2 * i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 2, 3, 10, 11);
      memory[2 * i + 1] = __builtin_shufflevector(t[i], t[i + 2], 4, 5, 12, 13, 6, 7, 14, 15);
    }
  } else if (m % 8 == 0) {
    for (int j = 0; j < m / 8; j++) {
      u32x8 square[8];
      for (int i = 0; i < 8; i++) square[i] = entries[8 * j + i];
      SET(transpose)(square);
      for (int l = 0; l < 8; l++) memory[l * (m / 8) + j] = square[l];
    }
  } else {
    const uint32_t *from = (const uint32_t *)entries;
    uint32_t *to = (uint32_t *)memory;
    for (int i = 0; i < m; i++) {
      for (int l = 0; l < 8; l++) to[l * m + i] = from[8 * i + l];
    }
  }
}
