/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For any processor that the compiler targets. */
#pragma STDC FP_CONTRACT OFF

#define NMK_LANES 8
#include "body.h"

const nmk_table nmk_baseline_table = {NMK_BASELINE, "baseline", transposable, top_n};
