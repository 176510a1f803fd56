/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>

/* The outcome of one solve. */
enum cglpk_status {
  CGLPK_OPTIMAL = 0,
  /* GLPK returned another code than optimal; it is in the message. */
  CGLPK_NOT_OPTIMAL = 1,
  /* GLPK reported an internal error, or ran out of memory. */
  CGLPK_ERROR = 2,
};

/*
 * Solves one m x m tile: chooses entries so that each row and column has n of them (or, with at_most
 * set, at most n) and the sum of their weights is largest, by glp_mincost_okalg.
 *
 * weights: m * m integers in 0 ... largest, row-major; largest <= 2^24.
 * kept: m * m flags, written.
 * u, v: the potentials of the m rows and columns, in units of the weights, written: an optimal dual
 *   solution of the quantised problem. With at_most they are >= 0.
 * message: receives a line of text when the status is not CGLPK_OPTIMAL.
 *
 * The whole life of every GLPK object is inside the call, on the calling thread, whose GLPK
 * environment is freed when an error was raised. Call cglpk_release() before a thread ends.
 */
int cglpk_solve_tile(int n, int m, int at_most, int largest, const int *weights,
                     unsigned char *kept, double *u, double *v, char *message,
                     size_t message_size);

/* Frees the calling thread's GLPK environment. */
void cglpk_release(void);
