/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Magnitudes of any element type, as float32 or float64, without loss.
 *
 * float64 holds every type but I64 beyond 2^53, which is rounded. What is not finite becomes an
 * infinity. Half precision is widened by hand: not every processor has an instruction for it.
 */

NMK_INLINE float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

NMK_INLINE float widen_half(uint16_t half) {
  /* Exponent and fraction move into place; the product mends the bias, also of subnormals. */
  const uint32_t bits = half & 0x7fff;
  const float finite = float_of_bits(bits << 13) * 0x1p112f;
  return bits >= 0x7c00 ? float_of_bits(0x7f800000) : finite;
}

#define ELEMENT(TYPE)                                  \
  TYPE x;                                              \
  memcpy(&x, from + k * (ptrdiff_t)sizeof(TYPE), sizeof(TYPE))

#define LOOP(TYPE, VALUE)               \
  for (ptrdiff_t k = 0; k < count; k++) { \
    ELEMENT(TYPE);                      \
    to[k] = VALUE;                      \
  }                                     \
  break

/* The types that float32 holds. */
NMK_INLINE void load_float(
  block_float *restrict to, const char *restrict from, ptrdiff_t count, nmk_dtype dtype) {
  switch (dtype) {
  case NMK_F32: LOOP(uint32_t, float_of_bits(x & 0x7fffffff));
  case NMK_F16: LOOP(uint16_t, widen_half(x));
  case NMK_BF16: LOOP(uint16_t, float_of_bits((uint32_t)(x & 0x7fff) << 16));
  case NMK_I8: LOOP(int8_t, (float)(x < 0 ? -(int32_t)x : (int32_t)x));
  case NMK_U8: LOOP(uint8_t, (float)(int32_t)x);
  case NMK_I16: LOOP(int16_t, (float)(x < 0 ? -(int32_t)x : (int32_t)x));
  default: break;
  }
}

NMK_INLINE void load_double(
  block_double *restrict to, const char *restrict from, ptrdiff_t count, nmk_dtype dtype) {
  switch (dtype) {
  case NMK_F64: LOOP(double, __builtin_fabs(x));
  case NMK_F32: LOOP(float, (double)__builtin_fabsf(x));
  case NMK_F16: LOOP(uint16_t, (double)widen_half(x));
  case NMK_BF16: LOOP(uint16_t, (double)float_of_bits((uint32_t)(x & 0x7fff) << 16));
  case NMK_I8: LOOP(int8_t, __builtin_fabs((double)x));
  case NMK_U8: LOOP(uint8_t, (double)x);
  case NMK_I16: LOOP(int16_t, __builtin_fabs((double)x));
  case NMK_I32: LOOP(int32_t, __builtin_fabs((double)x));
  case NMK_I64: LOOP(int64_t, __builtin_fabs((double)x));
  }
}

#undef LOOP
#undef ELEMENT

NMK_INLINE ptrdiff_t dtype_bytes(nmk_dtype dtype) {
  switch (dtype) {
  case NMK_I8: case NMK_U8: return 1;
  case NMK_F16: case NMK_BF16: case NMK_I16: return 2;
  case NMK_F32: case NMK_I32: return 4;
  default: return 8;
  }
}
