// SPDX-License-Identifier: GPL-3.0-or-later

/// The text of numbers in JSON.
enum NumberText {
  /// Enough for any text of `write`, in bytes.
  static let maximumLength = 32

  /// Writes the shortest text that reads back as the value, or `null` if it is not finite, and
  /// returns its length.
  @inline(__always)
  static func write(_ value: Double, to text: UnsafeMutablePointer<UInt8>) -> Int {
    guard value.isFinite else { return writeNull(text) }
    let sign = writeSign(value.sign, text)
    if value == 0 { return writeZero(text + sign) + sign }
    return write(ShortestDecimal.of(value), to: text + sign) + sign
  }

  /// Writes the shortest text that reads back as the value, or `null` if it is not finite, and
  /// returns its length.
  @inline(__always)
  static func write(_ value: Float, to text: UnsafeMutablePointer<UInt8>) -> Int {
    guard value.isFinite else { return writeNull(text) }
    let sign = writeSign(value.sign, text)
    if value == 0 { return writeZero(text + sign) + sign }
    return write(ShortestDecimal.of(value), to: text + sign) + sign
  }

  /// Writes a decimal: plainly from 1e-5 to below 1e17, and else with an exponent.
  private static func write(_ decimal: Decimal, to text: UnsafeMutablePointer<UInt8>) -> Int {
    var digits = decimal.digits
    var exponent = decimal.exponent
    while digits % 10 == 0 {
      digits /= 10
      exponent += 1
    }
    let count = digitCount(digits)
    let point = count + exponent

    if point > 17 || point < -4 {
      // d.ddde±x
      writeDigits(digits, count, to: text + 1)
      text[0] = text[1]
      text[1] = UInt8(ascii: ".")
      var length = count == 1 ? 1 : count + 1
      text[length] = UInt8(ascii: "e")
      length += 1
      if point < 1 {
        text[length] = UInt8(ascii: "-")
        length += 1
      }
      let magnitude = UInt64((point - 1).magnitude)
      let width = digitCount(magnitude)
      writeDigits(magnitude, width, to: text + length)
      return length + width
    }
    if point <= 0 {
      // 0.000ddd
      text.update(repeating: UInt8(ascii: "0"), count: 2 - point)
      text[1] = UInt8(ascii: ".")
      writeDigits(digits, count, to: text + 2 - point)
      return 2 - point + count
    }
    if point >= count {
      // ddd000.0
      writeDigits(digits, count, to: text)
      (text + count).update(repeating: UInt8(ascii: "0"), count: point - count + 2)
      text[point] = UInt8(ascii: ".")
      return point + 2
    }
    // ddd.ddd: the digits go one place to the right, and those before the point back.
    writeDigits(digits, count, to: text + 1)
    for place in 0..<point { text[place] = text[place + 1] }
    text[point] = UInt8(ascii: ".")
    return count + 1
  }

  private static func writeDigits(
    _ value: UInt64,
    _ count: Int,
    to text: UnsafeMutablePointer<UInt8>
  ) {
    var rest = value
    var place = count
    while place >= 2 {
      let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
      rest = quotient
      place -= 2
      // 103 / 2^10 is near enough to a tenth for two digits.
      let tens = UInt8(truncatingIfNeeded: (pair &* 103) >> 10)
      text[place] = UInt8(ascii: "0") &+ tens
      text[place + 1] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: pair) &- tens &* 10
    }
    if place == 1 { text[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest) }
  }

  private static func digitCount(_ value: UInt64) -> Int {
    // log10(2) of the bit width is the count or one less.
    let guess = ((64 - value.leadingZeroBitCount) * 1233) >> 12
    return guess + (value >= powersOfTen[guess] ? 1 : 0) + (value == 0 ? 1 : 0)
  }

  private static let powersOfTen: [UInt64] = (0..<20).map { power in
    (0..<power).reduce(1) { value, _ in value * 10 }
  }

  private static func writeSign(
    _ sign: FloatingPointSign,
    _ text: UnsafeMutablePointer<UInt8>
  ) -> Int {
    text[0] = UInt8(ascii: "-")
    return sign == .minus ? 1 : 0
  }

  private static func writeZero(_ text: UnsafeMutablePointer<UInt8>) -> Int {
    text[0] = UInt8(ascii: "0")
    text[1] = UInt8(ascii: ".")
    text[2] = UInt8(ascii: "0")
    return 3
  }

  private static func writeNull(_ text: UnsafeMutablePointer<UInt8>) -> Int {
    for (place, byte) in "null".utf8.enumerated() { text[place] = byte }
    return 4
  }
}
