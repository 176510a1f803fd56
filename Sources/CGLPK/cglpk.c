/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cglpk.h"

#include <glpk.h>
#include <setjmp.h>
#include <string.h>

struct vertex {
  double supply;
  double potential;
};

struct arc {
  double low;
  double capacity;
  double cost;
  double flow;
};

struct guard {
  jmp_buf on_error;
  char *message;
  size_t message_size;
};

/* GLPK prints through this hook, also with its terminal off when it has met an error. */
static int collect(void *info, const char *text) {
  struct guard *guard = info;
  if (glp_at_error() && guard->message_size > 0) {
    size_t used = strlen(guard->message);
    size_t room = guard->message_size - 1 - used;
    strncat(guard->message, text, room);
  }
  return 1;
}

/* GLPK would abort the process next. */
static void leave(void *info) {
  struct guard *guard = info;
  longjmp(guard->on_error, 1);
}

static void add_arc(glp_graph *graph, int tail, int head, double capacity, double cost) {
  struct arc *arc = glp_add_arc(graph, tail, head)->data;
  arc->low = 0;
  arc->capacity = capacity;
  arc->cost = cost;
}

/*
 * Rows are vertices 1 ... m, columns m + 1 ... 2m. Keeping an entry costs largest - weight, so that no
 * cost is negative; as each row sends n units, this only adds a constant. With at_most, vertex
 * 2m + 1 takes the units of a row that keep nothing, at the cost of a weight of zero, and what comes
 * out of the columns, which then have a capacity and no demand of their own.
 */
static void build(glp_graph *graph, int n, int m, int at_most, int largest, const int *weights) {
  glp_add_vertices(graph, 2 * m + (at_most ? 1 : 0));
  for (int i = 0; i < m; i++) {
    ((struct vertex *)graph->v[1 + i]->data)->supply = n;
    ((struct vertex *)graph->v[1 + m + i]->data)->supply = at_most ? 0 : -n;
    for (int j = 0; j < m; j++)
      add_arc(graph, 1 + i, 1 + m + j, 1, largest - weights[i * m + j]);
  }
  if (!at_most) return;
  int sink = 2 * m + 1;
  ((struct vertex *)graph->v[sink]->data)->supply = -(double)n * m;
  for (int i = 0; i < m; i++) {
    add_arc(graph, 1 + i, sink, n, largest);
    add_arc(graph, 1 + m + i, sink, n, 0);
  }
}

static void read_back(glp_graph *graph, int m, int at_most, int largest, unsigned char *kept,
                      double *u, double *v) {
  double base = at_most ? ((struct vertex *)graph->v[2 * m + 1]->data)->potential : 0;
  for (int i = 0; i < m; i++) {
    /* GLPK's reduced cost is cost - potential(tail) + potential(head). */
    u[i] = largest - (((struct vertex *)graph->v[1 + i]->data)->potential - base);
    v[i] = ((struct vertex *)graph->v[1 + m + i]->data)->potential - base;
    if (at_most) {
      if (u[i] < 0) u[i] = 0;
      if (v[i] < 0) v[i] = 0;
    }
    for (glp_arc *arc = graph->v[1 + i]->out; arc; arc = arc->t_next) {
      int column = arc->head->i - m - 1;
      if (column < m) kept[i * m + column] = ((struct arc *)arc->data)->flow > 0.5;
    }
  }
}

int cglpk_solve_tile(int n, int m, int at_most, int largest, const int *weights,
                     unsigned char *kept, double *u, double *v, char *message,
                     size_t message_size) {
  struct guard guard = {.message = message, .message_size = message_size};
  if (message_size > 0) message[0] = 0;
  if (setjmp(guard.on_error)) {
    /* Frees every object of the broken environment, this call's graph among them. */
    glp_free_env();
    return CGLPK_ERROR;
  }
  glp_term_hook(collect, &guard);
  glp_error_hook(leave, &guard);

  glp_graph *graph = glp_create_graph(sizeof(struct vertex), sizeof(struct arc));
  build(graph, n, m, at_most, largest, weights);
  double cost;
  int code = glp_mincost_okalg(graph, offsetof(struct vertex, supply), offsetof(struct arc, low),
                               offsetof(struct arc, capacity), offsetof(struct arc, cost), &cost,
                               offsetof(struct arc, flow), offsetof(struct vertex, potential));
  if (code == 0)
    read_back(graph, m, at_most, largest, kept, u, v);
  glp_delete_graph(graph);
  /* The hooks point into this frame. */
  glp_error_hook(NULL, NULL);
  glp_term_hook(NULL, NULL);
  if (code == 0) return CGLPK_OPTIMAL;
  static const char digits[] = "0123456789abcdef";
  if (message_size > 24) {
    strcpy(message, "glp_mincost_okalg: 0x");
    size_t used = strlen(message);
    message[used] = digits[(code >> 4) & 15];
    message[used + 1] = digits[code & 15];
    message[used + 2] = 0;
  }
  return CGLPK_NOT_OPTIMAL;
}

void cglpk_release(void) { glp_free_env(); }
