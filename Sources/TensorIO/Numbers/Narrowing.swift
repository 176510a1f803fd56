// SPDX-License-Identifier: GPL-3.0-or-later

/// A binary interchange format of 16 bits, for conversion from Double by integer arithmetic.
///
/// By hand because there is no such conversion for bfloat16, that of `Float16` is a library call on
/// many machines, and to go by way of Float would round twice.
struct FloatFormat {
  let exponentBits: Int
  let mantissaBits: Int

  static let float16 = FloatFormat(exponentBits: 5, mantissaBits: 10)
  static let bfloat16 = FloatFormat(exponentBits: 8, mantissaBits: 7)

  /// The bits of the value nearest to `value`, to even in a tie, in one rounding; an infinity
  /// where that is beyond the largest finite value, as IEEE 754 has it. NaN stays a NaN.
  @inline(__always)
  func bits(of value: Double) -> UInt64 {
    let bits = value.bitPattern
    let sign = (bits >> 63) << UInt64(exponentBits + mantissaBits)
    let magnitude = bits & (.max >> 1)
    let infinity: UInt64 = (1 << UInt64(exponentBits) - 1) << UInt64(mantissaBits)
    if magnitude >= 0x7ff << 52 {
      let quiet: UInt64 = magnitude > 0x7ff << 52 ? 1 << UInt64(mantissaBits - 1) : 0
      return sign | infinity | quiet
    }
    let bias = 1 << (exponentBits - 1) - 1
    let exponent = Int(magnitude >> 52) - 1023 + bias
    let significand = magnitude & (1 << 52 - 1) | 1 << 52
    var drop = 52 - mantissaBits
    var base: UInt64 = 0
    if exponent > 0 {
      // The hidden bit of the rounded significand adds the last one to the exponent.
      base = UInt64(exponent - 1) << UInt64(mantissaBits)
    } else {
      drop += 1 - exponent
      if drop > 54 { return sign }
    }
    let kept = significand >> UInt64(drop)
    let rest = significand << UInt64(64 - drop)
    let half: UInt64 = 1 << 63
    let roundsUp = rest > half || (rest == half && kept & 1 == 1)
    return sign | min(base + kept + (roundsUp ? 1 : 0), infinity)
  }
}

/// The Double that a bfloat16 stands for.
@inline(__always)
func double(bfloat16 bits: UInt16) -> Double {
  Double(Float(bitPattern: UInt32(bits) << 16))
}

/// The Double that an IEEE 754 binary16 stands for.
@inline(__always)
func double(float16 bits: UInt16) -> Double {
  let magnitude = UInt64(bits & 0x7fff)
  let sign: UInt64 = UInt64(bits & 0x8000) << 48
  if magnitude >= 0x7c00 {
    return Double(bitPattern: sign | 0x7ff << 52 | (magnitude & 0x3ff) << 42)
  }
  if magnitude < 0x400 {
    return Double(bitPattern: sign | (Double(magnitude) * 0x1p-24).bitPattern)
  }
  return Double(bitPattern: sign | (magnitude << 42 + UInt64(1023 - 15) << 52))
}
