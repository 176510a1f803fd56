/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decimal numbers in a row, whole and broken, in memory that ends where the text does. */
#include <string.h>

#include "ckernels.h"
#include "decimals.h"
#include "driver.h"

enum { MOST_NUMBERS = 60, MOST_BYTES = MOST_NUMBERS * 48 };

static size_t put_digits(char *text, size_t count, uint64_t *state) {
  for (size_t k = 0; k < count; k++) text[k] = (char)('0' + random_below(state, 10));
  return count;
}

/* A number as weights are written, or one somewhat unlike them. */
static size_t put_number(char *text, uint64_t *state) {
  size_t size = 0;
  if (next_random(state) & 1) text[size++] = '-';
  const size_t form = random_below(state, 20);
  size += put_digits(text + size, form == 0 ? random_below(state, 18) : 1, state);
  if (form == 1) return size;
  text[size++] = '.';
  const size_t fraction = form == 2 ? random_below(state, 26) : 1 + random_below(state, 17);
  size += put_digits(text + size, fraction, state);
  if (form == 3) size += (size_t)sprintf(text + size, "e-%d", (int)random_below(state, 30));
  return size;
}

static void check_numbers(
  const context *c, const char *text, const char *comma, const double *values, size_t count) {
  const char *start = text;
  for (size_t k = 0; k < count; k++) {
    /* What strtod takes beyond the grammar of JSON. */
    const char *const first = start + (*start == '-');
    require(*start != ' ' && *start != '+' && !(first[0] == '0' && first[1] != '.'), c,
      "a number begins as none does");
    char *end;
    const double expected = strtod(start, &end);
    require(*end == ',', c, "a number ends before its comma");
    require(!memcmp(&expected, values + k, sizeof expected), c, "a number is not the nearest");
    if (k + 1 == count) require(end == comma, c, "the comma is another one");
    start = end + 1;
    start += *start == ' ';
  }
}

size_t check_decimals(uint64_t seed) {
  static const char odd_bytes[] = "0123456789.,-+eE []{}\"a\n";
  uint64_t state = seed;
  size_t calls = 0;
  for (int round = 0; round < 200000; round++) {
    const context c = {.part = "decimals", .seed = seed};
    char scratch[MOST_BYTES];
    size_t size = DECIMALS_WINDOW;
    memset(scratch, '.', size);
    const size_t count = random_below(&state, MOST_NUMBERS);
    const bool spaced = next_random(&state) & 1;
    for (size_t k = 0; k < count; k++) {
      size += put_number(scratch + size, &state);
      scratch[size++] = ',';
      if (spaced) scratch[size++] = ' ';
    }
    if (size == DECIMALS_WINDOW) continue;
    for (size_t k = random_below(&state, 4); k > 1; k--)
      scratch[DECIMALS_WINDOW + random_below(&state, size - DECIMALS_WINDOW)] =
        odd_bytes[random_below(&state, sizeof odd_bytes - 1)];

    char *memory = malloc(size);
    const size_t room = random_below(&state, 80);
    double *values = malloc(room ? room * sizeof *values : 1);
    if (!memory || !values) abort();
    memcpy(memory, scratch, size);
    const uint8_t *comma = NULL, *text = (uint8_t *)memory + DECIMALS_WINDOW;
    const size_t read = decimals_read(text, (uint8_t *)memory + size, values, room, &comma);
    calls++;
    require(read <= room, &c, "more numbers than there is room for");
    if (read > 0) {
      require(comma + 2 < (uint8_t *)memory + size, &c, "the text ends too soon");
      check_numbers(&c, (const char *)text, (const char *)comma, values, read);
    }
    free(values);
    free(memory);
  }
  return calls;
}
