// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// C(`total`, `chosen`), exactly.
///
/// - Precondition: 0 <= `chosen` <= `total`.
/// - Complexity: O(min(`chosen`, `total` - `chosen`)) products of a big number and a word.
func binomialCoefficient(_ total: Int, _ chosen: Int) -> BigUInt {
  precondition(chosen >= 0 && chosen <= total)
  let smaller = min(chosen, total - chosen)
  var result: BigUInt = 1
  for index in 0..<smaller {
    result *= BigUInt(total - index)
    result /= BigUInt(index + 1)
  }
  return result
}

/// log2 C(`total`, `chosen`), to a relative error below 1e-14 at any size.
///
/// Stirling's series for the three factorials, with the large parts cancelled on paper: with
/// a = chosen, b = total - chosen, the logarithm is
/// a ln(total / a) + b ln(total / b) + ln(total / (2 pi a b)) / 2 + c(total) - c(a) - c(b),
/// c(x) = 1/(12 x) - 1/(360 x^3) + ... Small a or b is a sum of logarithms instead.
///
/// Source: NIST Digital Library of Mathematical Functions, 5.11.1.
///
/// - Precondition: 0 <= `chosen` <= `total`.
func log2BinomialCoefficient(_ total: Int, _ chosen: Int) -> Double {
  precondition(chosen >= 0 && chosen <= total)
  let smaller = min(chosen, total - chosen)
  if smaller <= 64 {
    // Exact while the product fits into 53 bits, and a short sum of positive terms beyond.
    var sum = 0.0
    var product = 1.0
    for index in 0..<smaller {
      let factor = Double(total - index) / Double(index + 1)
      product *= factor
      if product > 0x1p500 {
        sum += log2(product)
        product = 1
      }
    }
    return sum + log2(product)
  }
  let whole = Double(total)
  let a = Double(smaller)
  let b = Double(total - smaller)
  let main = a * log(whole / a) - b * log1p(-a / whole)
  let corrections = stirling(whole) - stirling(a) - stirling(b)
  let natural = main + 0.5 * log(whole / (2 * Double.pi * a) / b) + corrections
  return natural / log(2)
}

/// ln x! - (x ln x - x + ln(2 pi x) / 2), for x > 64.
private func stirling(_ x: Double) -> Double {
  let inverse = 1 / x
  let square = inverse * inverse
  return inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260)))
}

extension BigUInt {
  /// The binary logarithm of a positive number, to a relative error below 1e-15.
  var log2: Double {
    precondition(!isZero)
    let surplus = Swift.max(0, bitWidth - 64)
    let head = UInt64(self >> surplus)
    #if canImport(Darwin)
      return Double(surplus) + Darwin.log2(Double(head))
    #elseif canImport(Musl)
      return Double(surplus) + Musl.log2(Double(head))
    #else
      return Double(surplus) + Glibc.log2(Double(head))
    #endif
  }
}
