// SPDX-License-Identifier: GPL-3.0-or-later

/// Rounds a positive double to one of its two float32 neighbours, with the expectation unchanged.
///
/// The upper neighbour comes up with probability (value - lower) / (upper - lower). Rounding to
/// nearest instead would bias the estimate: by up to 2^-25 of it, and by up to a half where float32
/// is subnormal (a shared magnitude of 1.5 units can only become 1 or 2).
///
/// - Parameter bits: 64 uniform bits, of which the lowest are used.
/// - Returns: the neighbour, which is infinite only if `value` is above the largest float32.
@inline(__always)
func roundStochastically(_ value: Double, bits: UInt64) -> Float {
  // Bits of the significand that float32 has no place for: 29, and one more for each power of two
  // below its smallest normal number, 2^-126.
  let field = Int(value.exponentBitPattern)
  let surplus = 29 + max(0, 1023 - 126 - field)
  guard surplus <= 52 else {
    // Below the smallest subnormal, 2^-149: all or nothing, in units of 2^-64.
    return bits < UInt64(value * 0x1p149 * 0x1p64) ? Float.leastNonzeroMagnitude : 0
  }
  // A carry out of the discarded bits happens with exactly the probability that they spell, and
  // it may run on into the exponent, where it belongs.
  let mask = (UInt64(1) << UInt64(surplus)) - 1
  return Float(Double(bitPattern: (value.bitPattern + (bits & mask)) & ~mask))
}
