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

  /// Writes an integer and returns the length of its text.
  @inline(__always)
  static func write(_ value: Int64, to text: UnsafeMutablePointer<UInt8>) -> Int {
    let sign = writeSign(value < 0 ? .minus : .plus, text)
    let count = digitCount(value.magnitude)
    writeDigits(value.magnitude, count, to: text + sign)
    return count + sign
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

  /// Writes a number of `count` digits, which may spill over the seven bytes behind them.
  @inline(__always)
  private static func writeDigits(
    _ value: UInt64,
    _ count: Int,
    to text: UnsafeMutablePointer<UInt8>
  ) {
    // The first digits go out first, since the eight bytes stored for them may be too many.
    func store(_ digits: UInt64, at place: Int, dropping zeros: Int) {
      let word = eightDigits(digits) &>> UInt64(8 * zeros)
      UnsafeMutableRawPointer(text + place).storeBytes(of: word.littleEndian, as: UInt64.self)
    }
    if count <= 8 { return store(value, at: 0, dropping: 8 - count) }
    let (upper, last) = value.quotientAndRemainder(dividingBy: 100_000_000)
    if count <= 16 {
      store(upper, at: 0, dropping: 16 - count)
    } else {
      let (first, middle) = upper.quotientAndRemainder(dividingBy: 100_000_000)
      store(first, at: 0, dropping: 24 - count)
      store(middle, at: count - 16, dropping: 0)
    }
    store(last, at: count - 8, dropping: 0)
  }

  /// The text of a number below 10^8, with zeros in front, the first digit in the lowest byte:
  /// halves, then pairs, then digits are parted, each step in all places at once.
  @inline(__always)
  private static func eightDigits(_ value: UInt64) -> UInt64 {
    let fours = value / 10_000 | (value % 10_000) << 32
    // 10486 / 2^20 is near enough to a hundredth for four digits, 103 / 2^10 to a tenth for two.
    let hundreds = (fours &* 10_486) >> 20 & 0x0000_007f_0000_007f
    let pairs = hundreds | (fours &- 100 &* hundreds) << 16
    let tens = (pairs &* 103) >> 10 & 0x000f_000f_000f_000f
    return (tens | (pairs &- 10 &* tens) << 8) | 0x3030_3030_3030_3030
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
