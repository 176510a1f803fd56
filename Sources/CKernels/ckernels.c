/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ckernels.h"

extern const nmk_table nmk_baseline_table;
#if defined(__x86_64__)
extern const nmk_table nmk_avx2_table, nmk_avx512_table;
#endif

const nmk_table *nmk_table_for(nmk_isa isa) {
  switch (isa) {
  case NMK_BASELINE:
    return &nmk_baseline_table;
#if defined(__x86_64__)
  case NMK_AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? &nmk_avx2_table : 0;
  case NMK_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("bmi2")
      ? &nmk_avx512_table
      : 0;
#endif
  default:
    return 0;
  }
}
