/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Order statistics of 2, 4, 8, 16 or 32 vectors, lane by lane, without a branch.
 *
 * Only the n-th and (n + 1)-th largest are wanted, and only their mean: the two may come in
 * either order. Both halves are sorted; of their union the k-th largest is the maximum over
 * i + j = k of min(a_i, b_j) (a_0 = b_0 = infinity). For even n the odd-even merge of Batcher
 * ends by exchanging the n-th with the (n + 1)-th, which the mean does not need, so that each of
 * the two is an order statistic of half the values. What no result needs, the compiler drops.
 *
 * Included for each type of vector: VEC, with NET(name) for the names and HIGH and LOW for the
 * larger and the smaller of two.
 *
 * Sorting networks of 8 and 16: Knuth, The Art of Computer Programming 3, 5.3.4 (16: Green).
 */


#define CE(a, b)                                   \
  do {                                             \
    const VEC big = HIGH(x[a], x[b]);              \
    x[b] = LOW(x[a], x[b]);                        \
    x[a] = big;                                    \
  } while (0)

/* Sorts x[0 ..< count], largest first. */
NMK_INLINE void NET(sort_vectors)(VEC *x, int count) {
  switch (count) {
  case 2:
    CE(0, 1);
    break;
  case 4:
    CE(0, 1); CE(2, 3); CE(0, 2); CE(1, 3); CE(1, 2);
    break;
  case 8:
    CE(0, 2); CE(1, 3); CE(4, 6); CE(5, 7);
    CE(0, 4); CE(1, 5); CE(2, 6); CE(3, 7);
    CE(0, 1); CE(2, 3); CE(4, 5); CE(6, 7);
    CE(2, 4); CE(3, 5); CE(1, 4); CE(3, 6);
    CE(1, 2); CE(3, 4); CE(5, 6);
    break;
  case 16:
    CE(0, 13); CE(1, 12); CE(2, 15); CE(3, 14); CE(4, 8); CE(5, 6); CE(7, 11); CE(9, 10);
    CE(0, 5); CE(1, 7); CE(2, 9); CE(3, 4); CE(6, 13); CE(8, 14); CE(10, 15); CE(11, 12);
    CE(0, 1); CE(2, 3); CE(4, 5); CE(6, 8); CE(7, 9); CE(10, 11); CE(12, 13); CE(14, 15);
    CE(0, 2); CE(1, 3); CE(4, 10); CE(5, 11); CE(6, 7); CE(8, 9); CE(12, 14); CE(13, 15);
    CE(1, 2); CE(3, 12); CE(4, 6); CE(5, 7); CE(8, 10); CE(9, 11); CE(13, 14);
    CE(1, 4); CE(2, 6); CE(5, 8); CE(7, 10); CE(9, 13); CE(11, 14);
    CE(2, 4); CE(3, 6); CE(9, 12); CE(11, 13);
    CE(3, 5); CE(6, 8); CE(7, 9); CE(10, 12);
    CE(3, 4); CE(5, 6); CE(7, 8); CE(9, 10); CE(11, 12);
    CE(6, 7); CE(8, 9);
    break;
  default:
    break;
  }
}

NMK_INLINE void NET(sort_half)(VEC *x, int count) {
  if (count <= 16) {
    NET(sort_vectors)(x, count);
    return;
  }
  NET(sort_vectors)(x, 16);
  NET(sort_vectors)(x + 16, 16);
  /* Two sorted lists, the second one reversed, are bitonic. */
#pragma clang loop unroll(full)
  for (int k = 0; k < 16; k++) CE(k, 31 - k);
#pragma clang loop unroll(full)
  for (int k = 0; k < 32; k++)
    if (!(k & 8)) CE(k, k + 8);
#pragma clang loop unroll(full)
  for (int k = 0; k < 32; k++)
    if (!(k & 4)) CE(k, k + 4);
#pragma clang loop unroll(full)
  for (int k = 0; k < 32; k++)
    if (!(k & 2)) CE(k, k + 2);
#pragma clang loop unroll(full)
  for (int k = 0; k < 32; k++)
    if (!(k & 1)) CE(k, k + 1);
}

/* The k-th largest of a[0], a[stride] ... and b[0], b[stride] ..., `count` sorted values each. */
NMK_INLINE VEC NET(order_statistic)(const VEC *a, const VEC *b, int stride, int count, int k) {
  const int first = k > count ? k - count : 0, last = k < count ? k : count;
  VEC best = {0};
#pragma clang loop unroll(full)
  for (int i = first; i <= last; i++) {
    VEC least;
    if (i == 0) {
      least = b[(k - 1) * stride];
    } else if (i == k) {
      least = a[(k - 1) * stride];
    } else {
      least = LOW(a[(i - 1) * stride], b[(k - i - 1) * stride]);
    }
    best = i == first ? least : HIGH(best, least);
  }
  return best;
}

/* The n-th and (n + 1)-th largest of x[0 ..< m], in any order. */
NMK_INLINE void NET(middle_pair)(VEC *x, int m, int n, VEC *first, VEC *second) {
  const int half = m / 2;
  NET(sort_half)(x, half);
  NET(sort_half)(x + half, half);
  if (n % 2 == 0) {
    *first = NET(order_statistic)(x, x + half, 2, (half + 1) / 2, n / 2 + 1);
    *second = NET(order_statistic)(x + 1, x + half + 1, 2, half / 2, n / 2);
  } else {
    *first = NET(order_statistic)(x, x + half, 1, half, n);
    *second = NET(order_statistic)(x, x + half, 1, half, n + 1);
  }
}

/* The same for any n, known only when running. Fewer than m values are filled up with such as are
   not larger than any. */
NMK_INLINE void NET(middle_pair_any)(VEC *x, int m, int n, VEC *first, VEC *second) {
  const int half = m / 2;
  NET(sort_half)(x, half);
  NET(sort_half)(x + half, half);
  for (int k = n; k <= n + 1; k++) {
    const VEC *const a = x, *const b = x + half;
    const int low = k > half ? k - half : 1, high = k <= half ? k - 1 : half;
    VEC best = k <= half ? HIGH(a[k - 1], b[k - 1]) : LOW(a[low - 1], b[k - low - 1]);
    for (int i = low; i <= high; i++) {
      const VEC least = LOW(a[i - 1], b[k - i - 1]);
      best = HIGH(best, least);
    }
    *(k == n ? first : second) = best;
  }
}

#undef CE
