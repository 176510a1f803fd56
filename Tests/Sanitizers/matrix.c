/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random matrices of every element type. */
#include <math.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#include "driver.h"

uint64_t next_random(uint64_t *state) {
  *state += 0x9e3779b97f4a7c15;
  uint64_t x = *state;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

size_t random_below(uint64_t *state, size_t bound) { return next_random(state) % bound; }

static double uniform(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

/* Nearly so: what matters is that most are small and some large. */
static double normal(uint64_t *state) {
  double sum = -6;
  for (int k = 0; k < 12; k++) sum += uniform(state);
  return sum;
}

/* How the floating-point types are laid out: bits of the fraction and of all. */
typedef struct format {
  int bytes, fraction;
  bool is_integer, has_sign;
} format;

static const format formats[] = {
  [NMK_F64] = {8, 52, false, true}, [NMK_F32] = {4, 23, false, true},
  [NMK_F16] = {2, 10, false, true}, [NMK_BF16] = {2, 7, false, true},
  [NMK_I8] = {1, 7, true, true},    [NMK_U8] = {1, 8, true, false},
  [NMK_I16] = {2, 15, true, true},  [NMK_I32] = {4, 31, true, true},
  [NMK_I64] = {8, 63, true, true},
};

int element_bytes(nmk_dtype dtype) { return formats[dtype].bytes; }

/* The bits of an integer, cut off at the ends of the type. The kernels take 64-bit integers that
   float64 holds. */
static uint64_t integer_bits(double x, format f) {
  const double top = f.bytes == 8 ? 0x1p53 : ldexp(1, f.fraction) - 1;
  const double least = !f.has_sign ? 0 : f.bytes == 8 ? -top : -top - 1;
  x = rint(x);
  x = x > top ? top : x < least ? least : x;
  return (uint64_t)(int64_t)x;
}

/* The bits of a float, rounded toward zero by cutting a float64 down. */
static uint64_t float_bits(double x, format f, int exponent_bits) {
  const uint64_t sign = x < 0 ? 1ull << (f.bytes * 8 - 1) : 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  int exponent;
  const double fraction = frexp(fabs(x), &exponent);
  if (fraction == 0) return sign;
  exponent += bias - 1;
  if (exponent > 2 * bias) return sign | ((2ull * (uint64_t)bias + 1) << f.fraction) - 1;
  if (exponent < 1) return sign | (uint64_t)ldexp(fraction, f.fraction + exponent);
  return sign | (uint64_t)exponent << f.fraction
    | ((uint64_t)ldexp(fraction, f.fraction + 1) & ((1ull << f.fraction) - 1));
}

static uint64_t entry(const context *c, size_t i, size_t j, uint64_t *state) {
  const format f = formats[c->dtype];
  const uint64_t all = f.bytes == 8 ? ~0ull : (1ull << (f.bytes * 8)) - 1;
  const int exponent_bits = f.is_integer ? 1 : f.bytes * 8 - 1 - f.fraction;
  /* One past the largest finite number; of no use to integers. */
  const uint64_t infinity = ((1ull << exponent_bits) - 1) << (f.is_integer ? 0 : f.fraction);
  const uint64_t random = next_random(state);
  const uint64_t sign = f.has_sign ? random >> 63 << (f.bytes * 8 - 1) : 0;
  const double unit = f.is_integer ? f.bytes == 1 ? 32 : 1000 : 1;
  double x = 0;
  switch (c->kind) {
  case NORMAL: x = normal(state) * unit; break;
  case LATTICE: x = (double)(random % 5) - 2; break;
  case EQUAL: x = 3; break;
  case SPARSE: x = random % 10 == 0 ? normal(state) * unit : 0; break;
  case ADDITIVE: {
    uint64_t row = c->seed + i, column = c->seed + 4096 + j;
    x = (double)(next_random(&row) % 50 + next_random(&column) % 50);
    break;
  }
  case ADJACENT:
    if (f.is_integer) x = 64 + (double)(random & 1);
    else return ((uint64_t)((1 << (exponent_bits - 1)) - 1) << f.fraction) + (random & 1);
    break;
  case WIDE:
    if (!f.is_integer) return sign | ((random & (all >> 1)) % infinity);
    x = ldexp(uniform(state), (int)(random % 64));
    break;
  case SMALLEST:
    if (!f.is_integer) return sign | random % 17;
    x = (double)(random % 2);
    break;
  case LARGEST:
    if (!f.is_integer) return sign | (infinity - 1 - random % 5);
    /* Both ends: -128 is larger than 127. */
    x = (random >> 63 ? 1 : -1) * ldexp(1, f.bytes == 8 ? 53 : f.fraction) + (double)(random % 3);
    break;
  case ANY_BITS:
    if (c->dtype != NMK_I64) return random & all;
    x = ldexp(uniform(state) - 0.5, 54);
    break;
  default: break;
  }
  return f.is_integer ? integer_bits(x, f) & all : float_bits(x, f, exponent_bits);
}

matrix make_matrix(const context *c, size_t rows, size_t columns, uint64_t *state) {
  const size_t bytes = (size_t)element_bytes(c->dtype);
  matrix result = {.rows = rows, .columns = columns};
  result.row_bytes = (ptrdiff_t)((columns + c->spare) * bytes);
  const size_t used = rows > 0 ? (rows - 1) * (size_t)result.row_bytes + columns * bytes : 0;
  const size_t offset = random_below(state, 8);
  result.memory = malloc(offset + used);
  if (!result.memory) abort();
  result.base = result.memory + offset;
  memset(result.memory, 0xff, offset + used);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) {
      const uint64_t bits = entry(c, i, j, state);
      memcpy(result.base + i * (size_t)result.row_bytes + j * bytes, &bits, bytes);
    }
  return result;
}

uint64_t magnitude_key(const matrix *a, nmk_dtype dtype, size_t row, size_t column) {
  const format f = formats[dtype];
  uint64_t bits = 0;
  memcpy(
    &bits, a->base + (ptrdiff_t)row * a->row_bytes + (ptrdiff_t)column * f.bytes,
    (size_t)f.bytes);
  const uint64_t sign = f.has_sign ? 1ull << (f.bytes * 8 - 1) : 0;
  if (!f.is_integer) return bits & ~sign;
  return bits & sign ? (sign - (bits & ~sign)) : bits;
}

double magnitude(const matrix *a, nmk_dtype dtype, size_t row, size_t column) {
  const format f = formats[dtype];
  const uint64_t key = magnitude_key(a, dtype, row, column);
  if (f.is_integer) return (double)key;
  const int exponent_bits = f.bytes * 8 - 1 - f.fraction;
  const int exponent = (int)(key >> f.fraction), bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == 2 * bias + 1) return INFINITY;
  const uint64_t fraction = key & ((1ull << f.fraction) - 1);
  const uint64_t significand = fraction | (exponent > 0 ? 1ull << f.fraction : 0);
  return ldexp((double)significand, (exponent > 0 ? exponent : 1) - bias - f.fraction);
}

void *workspace_of(size_t bytes) {
  /* One for all calls, full of what the last one left; the part not asked for may not be touched.
     To allocate and clear megabytes for each call would take longer than the calls. */
  static char *memory;
  static size_t size;
  if (bytes > size) {
    if (memory) ASAN_UNPOISON_MEMORY_REGION(memory, size);
    free(memory);
    size = 2 * bytes;
    void *fresh;
    if (posix_memalign(&fresh, 64, size)) abort();
    memory = fresh;
    memset(memory, 0xa5, size);
  }
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  ASAN_POISON_MEMORY_REGION(memory + bytes, size - bytes);
  return memory;
}
