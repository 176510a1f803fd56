/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Exact N:M masks, one strip of a matrix at a time.
 *
 * Nothing here allocates, and nothing here is global: a plan is made once for each pattern and
 * may be shared by threads; all scratch memory is the caller's. The mask of a tile, and every sum,
 * is the same for every instruction set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { NMK_MAX_TILE = 64, NMK_MAX_GROUP = 1024, NMK_TIE_BITS = 10 };

/* Element types, in the order of Sparsity.DataType. */
typedef enum nmk_dtype {
  NMK_F64,
  NMK_F32,
  NMK_F16,
  NMK_BF16,
  NMK_I8,
  NMK_U8,
  NMK_I16,
  NMK_I32,
  NMK_I64
} nmk_dtype;

typedef enum nmk_isa { NMK_BASELINE, NMK_AVX2, NMK_AVX512 } nmk_isa;

/* A pattern with all that is derived from it. Plain data: copy it, share it, forget it. */
typedef struct nmk_plan {
  int32_t n, m;
  bool at_most;
  int32_t pitch; /* m rounded up to a power of two */
  int32_t sweeps[3]; /* how many in the first pass, in each finer one, and in float64 */
  int32_t near; /* how many entries the rows of a tile that has nearly converged are off by */
  /* A fixed pattern of NMK_TIE_BITS bits that tells equal entries apart, in rows of
     max(16, pitch) that repeat it; and how many bits the sum of m such entries can have more. */
  int32_t path_bits;
  uint16_t tie_break[NMK_MAX_TILE * NMK_MAX_TILE];
} nmk_plan;

/* Some strips of m whole rows of a row-major matrix, or as many of their columns as make whole
   tiles. Tiles that need more work are gathered from all of them, so several are solved faster
   together than alone. */
typedef struct nmk_strip {
  const void *base;   /* need not be aligned */
  ptrdiff_t row_bytes;
  size_t strips;
  size_t tiles;       /* in one strip */
  nmk_dtype dtype;
  uint8_t *mask;      /* bits, least significant first; (tiles * m + 7) / 8 bytes of each row */
  ptrdiff_t mask_row_bytes;
} nmk_strip;

/* What a strip came to. Sums run in an order that the tiles alone decide, not the set. */
typedef struct nmk_sums {
  double kept;  /* magnitude under the mask */
  double total; /* magnitude of all */
  double gap;   /* no mask keeps more than kept + gap; 0 where that is proven exactly */
  /* The first entry that is not finite, as row * (tiles * m) + column, or -1. If there is one,
     the rest of the result means nothing. */
  int64_t nonfinite;
  /* How many tiles each stage settled: the sweeps, the finer sweeps, the sweeps in float64, the
     augmenting paths. */
  uint64_t settled[4];
} nmk_sums;

/* The kernels of one instruction set. */
typedef struct nmk_table {
  nmk_isa isa;
  const char *name;
  /* An optimal transposable mask of a strip. `workspace` is 64-byte aligned and holds
     nmk_workspace_bytes(plan, strip->strips * strip->tiles). */
  void (*transposable)(
    const nmk_plan *plan, const nmk_strip *strip, void *workspace, nmk_sums *sums);
  /* The n largest of each m consecutive entries of rows, or down columns; m <= NMK_MAX_GROUP.
     Among equal ones the lower index is kept. For rows, a strip is one row, and a tile is a group;
     for columns a strip is m rows, and a tile is one column. An entry that is not finite shows in
     the total alone. `workspace` is 64-byte aligned and holds nmk_top_n_workspace_bytes(m). */
  void (*top_n)(
    const nmk_strip *strip, int n, int m, bool down_columns, void *workspace, nmk_sums *sums);
} nmk_table;

/* False unless 1 <= n <= m <= NMK_MAX_TILE. */
bool nmk_plan_init(nmk_plan *plan, int n, int m, bool at_most);

size_t nmk_workspace_bytes(const nmk_plan *plan, size_t tiles);

size_t nmk_top_n_workspace_bytes(int m);

/* The kernels for `isa`, or NULL if this processor or this build lacks it. */
const nmk_table *nmk_table_for(nmk_isa isa);

#ifdef __cplusplus
}
#endif
