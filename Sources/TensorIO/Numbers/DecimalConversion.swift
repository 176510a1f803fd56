// SPDX-License-Identifier: GPL-3.0-or-later

/// The Double nearest to `digits` x 10^`exponent`, to even in a tie; infinite beyond the range.
///
/// Small cases are one exact multiplication or division (W. D. Clinger, "How to Read Floating
/// Point Numbers Accurately", PLDI 1990), the others `eiselLemire`.
@inline(__always)
func nearestDouble(digits: UInt64, exponent: Int) -> Double {
  if digits <= 1 << 53 {
    if exponent == 0 { return Double(Int64(digits)) }
    if exponent < 0, exponent >= -22 {
      return Double(Int64(digits)) / exactPowersOfTen[-exponent]
    }
    if exponent > 0, exponent <= 22 {
      return Double(Int64(digits)) * exactPowersOfTen[exponent]
    }
  }
  return eiselLemire(digits: digits, exponent: exponent)
}

/// The powers of ten that are exact Doubles.
let exactPowersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
  1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]

/// The Double nearest to `digits` x 10^`exponent`, by one or two 64-bit products.
///
/// D. Lemire, "Number Parsing at a Gigabyte per Second" (2021), section 6; N. Mushtak and D.
/// Lemire, "Fast Number Parsing Without Fallback" (2023), prove that the result is right for
/// every 64-bit `digits`.
func eiselLemire(digits: UInt64, exponent: Int) -> Double {
  if digits == 0 || exponent < PowersOfFive.smallest { return 0 }
  if exponent > 308 { return .infinity }

  let shift = digits.leadingZeroBitCount
  let scaled = digits << UInt64(shift)
  let row = 2 * (exponent - PowersOfFive.smallest)
  var (high, low) = scaled.multipliedFullWidth(by: PowersOfFive.words[row])
  // 55 bits decide; the second product matters only if a carry could reach them.
  if high & (.max >> 55) == .max >> 55 {
    let carry = scaled.multipliedFullWidth(by: PowersOfFive.words[row + 1]).high
    low &+= carry
    if low < carry { high += 1 }
  }

  let upperBit = Int(high >> 63)
  let drop = UInt64(upperBit + 64 - 52 - 3)
  var mantissa = high >> drop
  // 217706 / 2^16 approximates log2(10); the sum is the biased binary exponent.
  var power = (217_706 * exponent) >> 16 + 63 + upperBit - shift + 1023

  if power <= 0 {
    if 1 - power >= 64 { return 0 }
    mantissa >>= UInt64(1 - power)
    mantissa = (mantissa + mantissa & 1) >> 1
    // Rounding may have made the smallest normal number, whose bits are the same sum.
    return Double(bitPattern: mantissa)
  }
  // An exact halfway point, possible only for these exponents, goes to the even neighbour.
  if low <= 1, exponent >= -4, exponent <= 23, mantissa & 3 == 1, mantissa << drop == high {
    mantissa &= ~1
  }
  mantissa = (mantissa + mantissa & 1) >> 1
  if mantissa >= 1 << 53 {
    mantissa = 1 << 52
    power += 1
  }
  if power >= 0x7ff { return .infinity }
  return Double(bitPattern: UInt64(power) << 52 | mantissa & ~(1 << 52))
}
