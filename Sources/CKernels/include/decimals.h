/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The bytes before the first number that `decimals_read` may look at. */
enum { DECIMALS_WINDOW = 33 };

/* Reads decimal numbers that stand in a row, as in a JSON array of weights: "0.5,-12.25, 3.0,".
 *
 * Each has an optional minus, up to 15 digits, a point and more digits, by the grammar of RFC 8259,
 * and is followed by a comma, and the next one after a space at most. With up to 15 digits in all
 * it is a whole number below 2^53 by a power of ten that is exact, so that one division rounds it
 * correctly (W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990). With more,
 * but below 2^63, the same holds of the extended format of 64 bits; where the rounding to 53 that
 * follows could err, the kernel stops.
 *
 * `text` is the first byte of the first number, with DECIMALS_WINDOW readable bytes before it.
 * Writes at most `room` numbers to `values` and returns how many; `*comma` is then the comma after
 * the last of them, with two more bytes of the text behind it. It stops before anything else, near
 * the end of the text or of the room, and at once, with 0, where the processor lacks AVX2: what it
 * does not read is for the caller to read. */
size_t decimals_read(
  const uint8_t *text, const uint8_t *end, double *values, size_t room, const uint8_t **comma);
