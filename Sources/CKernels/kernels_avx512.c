/* SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#pragma STDC FP_CONTRACT OFF

/* System headers first: what they define is not to be compiled for this instruction set alone. */
#include <math.h>
#include <string.h>

#include "include/ckernels.h"

#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi,bmi2,lzcnt,popcnt,evex512"))), \
  apply_to = function)
#define NMK_LANES 32
#include "body.h"
#pragma clang attribute pop

const nmk_table nmk_avx512_table = {NMK_AVX512, "avx512", transposable, top_n};
#endif
