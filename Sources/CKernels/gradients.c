/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gradients.h"

#include <string.h>

/* Contraction to fused multiply-add would give other bits on the sets that have it. */
#pragma STDC FP_CONTRACT OFF

typedef uint64_t u64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef _Bool b1x8 __attribute__((ext_vector_type(8)));

/* Vectors are passed to functions that are always inlined: no calling convention is involved. */
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

#define SET(name) name##_baseline
#include "gradients_body.h"
#undef SET

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,fma"))), apply_to = function)
#define SET(name) name##_avx2
#include "gradients_body.h"
#undef SET
#pragma clang attribute pop

#pragma clang attribute push(                                                                    \
  __attribute__((target("avx2,bmi,bmi2,fma,avx512f,avx512dq,avx512bw,avx512vl,avx512cd"))),      \
  apply_to = function)
#define SET(name) name##_avx512
#define GRADIENTS_HAS_INT64_TO_DOUBLE
#include "gradients_body.h"
#undef GRADIENTS_HAS_INT64_TO_DOUBLE
#undef SET
#pragma clang attribute pop

#endif

int gradients_set_is_supported(gradients_set set) {
  switch (set) {
    case GRADIENTS_BASELINE:
      return 1;
#if defined(__x86_64__)
    case GRADIENTS_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
        && __builtin_cpu_supports("fma");
    case GRADIENTS_AVX512:
      return gradients_set_is_supported(GRADIENTS_AVX2) && __builtin_cpu_supports("avx512f")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
#endif
    default:
      return 0;
  }
}

gradients_set gradients_best_set(void) {
  int best = GRADIENTS_BASELINE;
  for (int set = 0; set < GRADIENTS_SET_COUNT; set++) {
    if (gradients_set_is_supported((gradients_set)set)) best = set;
  }
  return (gradients_set)best;
}

const char *gradients_set_name(gradients_set set) {
  switch (set) {
    case GRADIENTS_AVX2: return "avx2";
    case GRADIENTS_AVX512: return "avx512";
    default: return "baseline";
  }
}

size_t gradients_estimate_rows(
  gradients_set set, int n, int m, const gradients_stream *stream, const void *source,
  size_t blocks, float *values, uint8_t *mask, gradients_sums *sums) {
  switch (set) {
#if defined(__x86_64__)
    case GRADIENTS_AVX512:
      return rows_avx512(n, m, stream, source, blocks, values, mask, sums);
    case GRADIENTS_AVX2:
      return rows_avx2(n, m, stream, source, blocks, values, mask, sums);
#endif
    default:
      return rows_baseline(n, m, stream, source, blocks, values, mask, sums);
  }
}

size_t gradients_estimate_columns(
  gradients_set set, int n, int m, const gradients_stream *stream, const void *source,
  size_t columns, size_t blocks, float *values, uint8_t *mask, gradients_sums *sums) {
  switch (set) {
#if defined(__x86_64__)
    case GRADIENTS_AVX512:
      return columns_avx512(n, m, stream, source, columns, blocks, values, mask, sums);
    case GRADIENTS_AVX2:
      return columns_avx2(n, m, stream, source, columns, blocks, values, mask, sums);
#endif
    default:
      return columns_baseline(n, m, stream, source, columns, blocks, values, mask, sums);
  }
}
