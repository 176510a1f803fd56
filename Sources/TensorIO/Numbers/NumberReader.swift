// SPDX-License-Identifier: GPL-3.0-or-later

/// How the reading of a number ended.
enum NumberOutcome {
  case complete
  /// The bytes ended where the number may go on.
  case incomplete
  /// The byte at the cursor cannot stand there.
  case malformed
}

/// Reads one JSON number from `cursor`, correctly rounded, and moves `cursor` past it.
///
/// The number ends before the first byte that cannot continue it; the caller judges that byte. With
/// `isWhole` the bytes are one whole token, so that their end is the end of the number.
///
/// By hand because bodies are mostly numbers and a general decoder reads them at a tenth of this
/// speed: eight digits are taken at a time, inside one 64-bit word.
@inline(__always)
func readNumber(
  _ cursor: inout UnsafePointer<UInt8>,
  end: UnsafePointer<UInt8>,
  isWhole: Bool,
  into value: inout Double
) -> NumberOutcome {
  let start = cursor
  var next = start
  let isNegative = next.pointee == UInt8(ascii: "-")
  if isNegative {
    next += 1
    if next == end {
      cursor = next
      return isWhole ? .malformed : .incomplete
    }
  }

  let integer = next
  var digits = UInt64(next.pointee &- 48)
  guard digits <= 9 else {
    cursor = next
    return .malformed
  }
  next += 1
  if digits == 0 {
    if next < end, next.pointee &- 48 <= 9 {
      cursor = next
      return .malformed
    }
  } else {
    while next < end {
      let digit = next.pointee &- 48
      if digit > 9 { break }
      digits = digits &* 10 &+ UInt64(digit)
      next += 1
    }
  }
  var count = next - integer
  var exponent = 0

  if next < end, next.pointee == UInt8(ascii: ".") {
    next += 1
    let fraction = next
    readDigits(&next, end: end, into: &digits)
    exponent = fraction - next
    if exponent == 0 {
      cursor = next
      return next == end && !isWhole ? .incomplete : .malformed
    }
    count &-= exponent
  }
  if next < end, next.pointee | 0x20 == UInt8(ascii: "e") {
    next += 1
    let sign = next
    if next < end, next.pointee == UInt8(ascii: "-") || next.pointee == UInt8(ascii: "+") {
      next += 1
    }
    let first = next
    while next < end, next.pointee &- 48 <= 9 { next += 1 }
    if next == first {
      cursor = next
      return next == end && !isWhole ? .incomplete : .malformed
    }
    exponent += decimalExponent(UnsafeBufferPointer(start: sign, count: next - sign))
  }
  if next == end && !isWhole { return .incomplete }

  let magnitude =
    count <= 19
    ? nearestDouble(digits: digits, exponent: exponent)
    : nearestDouble(longText: UnsafeBufferPointer(start: integer, count: next - integer))
  value = isNegative ? -magnitude : magnitude
  cursor = next
  return .complete
}

/// Appends the decimal digits at `cursor` to `digits`, modulo 2^64.
@inline(__always)
private func readDigits(
  _ cursor: inout UnsafePointer<UInt8>,
  end: UnsafePointer<UInt8>,
  into digits: inout UInt64
) {
  while end - cursor >= 8 {
    let bytes = UnsafeRawPointer(cursor).loadUnaligned(as: UInt64.self)
    let word = UInt64(littleEndian: bytes) ^ 0x3030_3030_3030_3030
    // The high bit of each byte that is no digit; bytes above the first such one may be wrong.
    let others = ((word &+ 0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080
    if others == 0 {
      digits = digits &* 100_000_000 &+ eightDigits(word)
      cursor += 8
      continue
    }
    let count = others.trailingZeroBitCount >> 3
    if count > 0 {
      // Shifted up, the digits follow zeros, which add nothing.
      digits =
        digits &* integerPowersOfTen[count] &+ eightDigits(word &<< UInt64(64 - 8 * count))
      cursor += count
    }
    return
  }
  while cursor < end {
    let digit = cursor.pointee &- 48
    if digit > 9 { return }
    digits = digits &* 10 &+ UInt64(digit)
    cursor += 1
  }
}

let integerPowersOfTen: [UInt64] = [
  1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
  10_000_000_000, 100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000,
  1_000_000_000_000_000,
]

/// The number of eight digits, one a byte, the first in the lowest byte: pairs, then fours, then
/// all are joined, each step in all places at once.
@inline(__always)
func eightDigits(_ word: UInt64) -> UInt64 {
  let pairs = (word &* 10 &+ word &>> 8) & 0x00ff_00ff_00ff_00ff
  let fours = (pairs &* 100 &+ pairs &>> 16) & 0x0000_ffff_0000_ffff
  return (fours &* 10_000 &+ fours &>> 32) & 0xffff_ffff
}

/// The Double nearest to the number of a text, without sign, of more than 19 digits.
///
/// Nineteen significant digits and a one more at the end bracket the number; where both round to
/// the same Double that is it, and else the standard library decides.
@inline(never)
private func nearestDouble(longText text: UnsafeBufferPointer<UInt8>) -> Double {
  var digits: UInt64 = 0
  var significant = 0
  var exponent = 0
  var isFraction = false
  var isExact = true
  scan: for index in text.indices {
    let byte = text[index]
    switch byte {
    case UInt8(ascii: "."): isFraction = true
    case UInt8(ascii: "e"), UInt8(ascii: "E"):
      exponent += decimalExponent(UnsafeBufferPointer(rebasing: text[(index + 1)...]))
      break scan
    default:
      if significant < 19 {
        digits = digits * 10 + UInt64(byte &- 48)
        if digits > 0 { significant += 1 }
        if isFraction { exponent -= 1 }
      } else {
        if byte != UInt8(ascii: "0") { isExact = false }
        if !isFraction { exponent += 1 }
      }
    }
  }
  let low = nearestDouble(digits: digits, exponent: exponent)
  if isExact || nearestDouble(digits: digits + 1, exponent: exponent) == low { return low }
  // Locale plays no part in this initialiser; the text is valid, so it never fails.
  return Double(String(decoding: text, as: UTF8.self)) ?? low
}
