/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls the C code over all kinds of input, to be built with sanitizers.
 *
 *   driver [SEED [PART]]
 */
#include "driver.h"

#include <string.h>

static const char *const kind_names[KIND_COUNT] = {
  "normal", "lattice", "equal", "zeros", "sparse", "additive", "adjacent", "wide", "smallest",
  "largest", "any bits"};

static const char *const dtype_names[] = {
  "F64", "F32", "F16", "BF16", "I8", "U8", "I16", "I32", "I64"};

void require(bool condition, const context *context, const char *what) {
  if (condition) return;
  fprintf(
    stderr, "%s: %s\n%d:%d %s, %s, %s, %zu x %zu tiles, %zu columns to spare, seed %llu\n",
    context->part, what, context->n, context->m, context->at_most ? "at most" : "exactly",
    dtype_names[context->dtype], kind_names[context->kind], context->strips, context->tiles,
    context->spare, (unsigned long long)context->seed);
  exit(1);
}

static const struct part {
  const char *name;
  size_t (*check)(uint64_t seed);
} parts[] = {
  {"transposable", check_transposable},
  {"top_n", check_top_n},
  {"gradients", check_gradients},
  {"flow", check_flow},
  {"decimals", check_decimals},
};

int main(int count, char **arguments) {
  const uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
  bool is_known = false;
  for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++) {
    if (count > 2 && strcmp(arguments[2], parts[k].name) != 0) continue;
    is_known = true;
    const size_t calls = parts[k].check(seed);
    printf("%s: %zu calls, seed %llu\n", parts[k].name, calls, (unsigned long long)seed);
    fflush(stdout);
    if (calls == 0) return 1;
  }
  return is_known ? 0 : 2;
}
