// SPDX-License-Identifier: GPL-3.0-or-later

/// Magnitudes as integers: the arithmetic in which draws are decided.
///
/// The unit is the power of two that gives the largest magnitude `bits` bits. Every decision of
/// a sampler is then a comparison of integers, exact, and the same after the input is scaled by a
/// power of two. An entry loses its bits below the unit, so it loses less than 2^(1 - bits) of the
/// largest magnitude: nothing at all for float32 inputs whose magnitudes lie within a factor of
/// 2^36 (2:4), and never more than 2^-51 of the largest at m = 1024.
struct MagnitudeScale {
  /// The exponent of two of the unit.
  let unitExponent: Int

  /// The bits of the largest integer: the sum of m of them stays within 2^62.
  static func bits(m: Int) -> Int {
    62 - (Int.bitWidth - (m - 1).leadingZeroBitCount)
  }

  @inline(__always)
  init(largest: Double, bits: Int) {
    unitExponent = Int(largest.exponent) - (bits - 1)
  }

  /// The integer part of a magnitude in units.
  @inline(__always)
  func scaled(_ magnitude: Double) -> UInt64 {
    UInt64(MagnitudeScale.multiply(magnitude, byTwoTo: -unitExponent))
  }

  /// The double next to `count` units.
  @inline(__always)
  func value(_ count: UInt64) -> Double {
    MagnitudeScale.multiply(Double(count), byTwoTo: unitExponent)
  }

  /// `value` x 2^`exponent`, for any exponent that a double can meet.
  @inline(__always)
  static func multiply(_ value: Double, byTwoTo exponent: Int) -> Double {
    if exponent >= -1022 && exponent <= 1023 {
      return value * Double(bitPattern: UInt64(exponent + 1023) << 52)
    }
    return Double(sign: .plus, exponent: exponent, significand: value)
  }
}

/// A threshold uniform on the integers 0 ..< `total`.
///
/// The high half of a 64 x 64 bit product: each threshold's probability is 1 / `total` to within
/// 2^-64, and so is the probability that it falls into an interval of them.
@inline(__always)
func uniformThreshold(below total: UInt64, bits: UInt64) -> UInt64 {
  bits.multipliedFullWidth(by: total).high
}
