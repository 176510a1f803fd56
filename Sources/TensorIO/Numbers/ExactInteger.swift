// SPDX-License-Identifier: GPL-3.0-or-later

/// An integer of 64 bits and a sign, read from a JSON number without passing through Double.
struct ExactInteger: Sendable, Hashable {
  let magnitude: UInt64
  let isNegative: Bool

  init(magnitude: UInt64, isNegative: Bool) {
    self.magnitude = magnitude
    self.isNegative = isNegative
  }

  /// Reads the text of a valid JSON number; nil if the number is not whole or its magnitude does
  /// not fit 64 bits.
  ///
  /// - Complexity: O(length of the text).
  init?(numberText text: UnsafeBufferPointer<UInt8>) {
    var magnitude: UInt64 = 0
    var isNegative = false
    // Zeros are held back until a digit follows them: those at the end only move the exponent.
    var zeros = 0
    var scale = 0
    var isFraction = false
    var exponent = 0
    for index in text.indices {
      let byte = text[index]
      switch byte {
      case UInt8(ascii: "-"): isNegative = true
      case UInt8(ascii: "."): isFraction = true
      case UInt8(ascii: "e"), UInt8(ascii: "E"):
        exponent = decimalExponent(UnsafeBufferPointer(rebasing: text[(index + 1)...]))
      default:
        if isFraction { scale -= 1 }
        if byte == UInt8(ascii: "0") {
          zeros += 1
        } else {
          guard let shifted = scaled(magnitude, byPowerOfTen: zeros + 1) else { return nil }
          let (sum, overflow) = shifted.addingReportingOverflow(UInt64(byte &- 48))
          guard !overflow else { return nil }
          magnitude = sum
          zeros = 0
        }
      }
      if byte | 0x20 == UInt8(ascii: "e") { break }
    }
    self.isNegative = isNegative
    if magnitude == 0 {
      self.magnitude = 0
      return
    }
    let power = scale + zeros + exponent
    guard power >= 0, let value = scaled(magnitude, byPowerOfTen: power) else { return nil }
    self.magnitude = value
  }

  var uint64: UInt64? { isNegative && magnitude != 0 ? nil : magnitude }

  var int64: Int64? {
    if isNegative {
      guard magnitude <= Int64.min.magnitude else { return nil }
      return Int64(truncatingIfNeeded: 0 &- magnitude)
    }
    return Int64(exactly: magnitude)
  }
}

/// Reads the digits after `e`, with their sign, and clamps them far beyond any use.
func decimalExponent(_ text: UnsafeBufferPointer<UInt8>) -> Int {
  var exponent = 0
  for byte in text where byte &- 48 <= 9 {
    exponent = min(exponent * 10 + Int(byte &- 48), 1_000_000)
  }
  return text.first == UInt8(ascii: "-") ? -exponent : exponent
}

private func scaled(_ value: UInt64, byPowerOfTen power: Int) -> UInt64? {
  if value == 0 { return 0 }
  guard power < 20 else { return nil }
  var result = value
  for _ in 0..<power {
    let (product, overflow) = result.multipliedReportingOverflow(by: 10)
    guard !overflow else { return nil }
    result = product
  }
  return result
}
