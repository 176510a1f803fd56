/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All kernels, for the instruction set that the including file has switched on. */

/* Wide vectors are passed between functions of this file only. */
#pragma clang diagnostic ignored "-Wpsabi"

#include <math.h>
#include <string.h>

#include "include/ckernels.h"

#define NMK_INLINE static inline __attribute__((always_inline))

typedef enum block_state { BLOCK_READY, BLOCK_NOT_FINITE, BLOCK_SUBNORMAL } block_state;

#include "lanes.h"

#define VEC vu
#define NET(name) name##_u
#define HIGH(a, b) __builtin_elementwise_max(a, b)
#define LOW(a, b) __builtin_elementwise_min(a, b)
#include "networks.h"
#undef VEC
#undef NET
#undef HIGH
#undef LOW

#define VEC vd8
#define NET(name) name##_d
#define HIGH(a, b) ((a) > (b) ? (a) : (b))
#define LOW(a, b) ((a) < (b) ? (a) : (b))
#include "networks.h"
#undef VEC
#undef NET
#undef HIGH
#undef LOW

#include "sweeps.h"
#include "load.h"
#include "bits.h"
#include "finish.h"
#include "transposable.h"
#include "top_n.h"
