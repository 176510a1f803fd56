/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All kernels, for the instruction set that the including file has switched on. */

#include <math.h>
#include <string.h>

#include "include/ckernels.h"

#define NMK_INLINE static inline __attribute__((always_inline))

typedef enum block_state { BLOCK_READY, BLOCK_NOT_FINITE, BLOCK_SUBNORMAL } block_state;

#include "lanes.h"
#include "networks.h"
#include "sweeps.h"
#include "load.h"
#include "bits.h"
#include "finish.h"
#include "transposable.h"
