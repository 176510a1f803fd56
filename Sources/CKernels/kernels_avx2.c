/* SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#pragma STDC FP_CONTRACT OFF

/* System headers first: what they define is not to be compiled for this instruction set alone. */
#include <math.h>
#include <string.h>

#include "include/ckernels.h"

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))), apply_to = function)
#define NMK_LANES 16
#include "body.h"
#pragma clang attribute pop

const nmk_table nmk_avx2_table = {NMK_AVX2, "avx2", transposable, top_n};
#endif
