// SPDX-License-Identifier: GPL-3.0-or-later

internal import CKernels

/// The bytes before and after the first one of a number that `readShortDecimals` may look at.
let shortDecimalWindow = DECIMALS_WINDOW

/// Reads numbers, and what is between them, for as long as there is nothing else, there is room in
/// `block` and the text goes on: numbers as `decimals_read` takes them where the processor has that
/// kernel, else, and at the end of the text, those of `readShortDecimal`.
///
/// - Parameter start: the first number, with `shortDecimalWindow` bytes before it that may be read.
/// - Returns: the comma after the last number that was read, with two more bytes of the text behind
///   it; nil if there is none.
@inline(__always)
func readShortDecimals(
  _ start: UnsafePointer<UInt8>,
  end: UnsafePointer<UInt8>,
  into block: UnsafeMutableBufferPointer<Double>,
  filled: inout Int,
  room: Int
) -> UnsafePointer<UInt8>? {
  guard let values = block.baseAddress, filled < room else { return nil }
  var comma: UnsafePointer<UInt8>?
  filled += decimals_read(start, end, values + filled, room - filled, &comma)
  // The end of the text, and all of it where there is no kernel.
  while filled < room {
    var next = start
    if let comma {
      next = comma + 1
      if next.pointee == UInt8(ascii: " ") { next += 1 }
    }
    guard end - next >= shortDecimalWindow + 2, isNumberStart(next.pointee),
      readShortDecimal(&next, into: &values[filled])
    else { break }
    filled += 1
    comma = next
  }
  return comma
}

/// Reads a number of one digit, a point and up to 13 digits that a comma follows, as weights mostly
/// are: "-0.0123456789,".
///
/// Signs and lengths of weights are as good as random, so that a branch on them is mispredicted
/// half of the time, at the price of reading the number. Here all branches ask whether the number
/// is of this form. The comma is looked for first, since where the next number begins is all that
/// it has to wait for.
///
/// - Parameter cursor: the number's first byte, with `shortDecimalWindow` bytes on both sides that
///   may be read; at the comma afterwards.
/// - Returns: false, with nothing changed, where the number is of another form.
/// - Complexity: O(1).
@inline(__always)
func readShortDecimal(_ cursor: inout UnsafePointer<UInt8>, into value: inout Double) -> Bool {
  let bytes = UnsafeRawPointer(cursor)
  let commas = commaBits(bytes)
  let length =
    commas != 0
    ? commas.trailingZeroBitCount &>> 3 : 8 &+ commaBits(bytes + 8).trailingZeroBitCount &>> 3

  let sign = cursor.pointee == UInt8(ascii: "-") ? 1 : 0
  let count = length &- 2 &- sign
  guard length < 16, UInt(bitPattern: count &- 1) < 13 else { return false }
  let head = (bytes + sign).loadUnaligned(as: UInt16.self).littleEndian ^ 0x2e30
  // The point has become zero, and the digit its value.
  guard head <= 9 else { return false }

  let last = digitValues(bytes + length - 8) & lastDigits[count]
  let rest = digitValues(bytes + length - 16) & digitsBeforeLast[count]
  let others =
    (last &+ 0x7676_7676_7676_7676) | last | (rest &+ 0x7676_7676_7676_7676) | rest
  guard others & 0x8080_8080_8080_8080 == 0 else { return false }

  let fraction = eightDigits(rest) &* 100_000_000 &+ eightDigits(last)
  let digits = UInt64(head) &* integerPowersOfTen[count] &+ fraction
  // Below 2^47, so it may be written into the mantissa of 2^52. A conversion would leave half of a
  // register as it was and so wait for the number before.
  let dividend = Double(bitPattern: (0x1p52).bitPattern | digits) - 0x1p52
  // Dividend and divisor are exact, so that the quotient is rounded once (Clinger 1990).
  let magnitude = dividend / exactPowersOfTen[count]
  value = Double(bitPattern: magnitude.bitPattern | UInt64(truncatingIfNeeded: sign) &<< 63)
  cursor += length
  return true
}

/// The high bit of each of eight bytes that is a comma; only the lowest one is sure.
@inline(__always)
private func commaBits(_ bytes: UnsafeRawPointer) -> UInt64 {
  let word = bytes.loadUnaligned(as: UInt64.self).littleEndian ^ 0x2c2c_2c2c_2c2c_2c2c
  return (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}

/// Eight digits as numbers of a byte each, the first in the lowest; another byte is above 9.
@inline(__always)
private func digitValues(_ bytes: UnsafeRawPointer) -> UInt64 {
  bytes.loadUnaligned(as: UInt64.self).littleEndian ^ 0x3030_3030_3030_3030
}

/// For each number of digits, the bytes of the last eight places that have one.
private let lastDigits: [UInt64] = [
  0, 0xff00_0000_0000_0000, 0xffff_0000_0000_0000, 0xffff_ff00_0000_0000, 0xffff_ffff_0000_0000,
  0xffff_ffff_ff00_0000, 0xffff_ffff_ffff_0000, 0xffff_ffff_ffff_ff00, .max, .max, .max, .max,
  .max, .max,
]

/// The same of the eight places before them.
private let digitsBeforeLast: [UInt64] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff00_0000_0000_0000, 0xffff_0000_0000_0000,
  0xffff_ff00_0000_0000, 0xffff_ffff_0000_0000, 0xffff_ffff_ff00_0000,
]
