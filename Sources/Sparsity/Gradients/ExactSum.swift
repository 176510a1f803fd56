// SPDX-License-Identifier: GPL-3.0-or-later

/// A sum of finite doubles without any rounding until it is read.
///
/// The value is a fixed-point number with a digit for every bit that a double can have, so adding
/// is associative: the sum of a matrix is the same however it was cut into bands and threads.
///
/// Source: U. Kulisch, "Very fast and exact accumulation of products", Computing 91 (2011)
/// 397-405; the carry-save digits after R. M. Neal, arXiv:1505.05571.
struct ExactSum: Sendable, Equatable {
  /// Digits of 32 bits, digit i of weight 2^(32 i - 1074), with room for 2^30 carries.
  private var digits: [Int64]
  private var additionsLeft = ExactSum.additionsPerCarry

  private static let digitCount = 68
  private static let additionsPerCarry = 1 << 29

  init() {
    digits = Array(repeating: 0, count: ExactSum.digitCount)
  }

  /// Adds a finite number.
  mutating func add(_ value: Double) {
    guard value != 0 else { return }
    precondition(value.isFinite)
    if additionsLeft == 0 { propagateCarries() }
    additionsLeft -= 1
    let field = Int(value.exponentBitPattern)
    let significand = value.significandBitPattern | (field == 0 ? 0 : 1 << 52)
    // A subnormal has the exponent of the smallest normal number.
    let shift = max(field, 1) - 1
    let first = shift / 32
    let offset = UInt64(shift % 32)
    let low = significand << offset
    let high = offset == 0 ? 0 : significand >> (64 - offset)
    let parts = (Int64(low & 0xFFFF_FFFF), Int64(low >> 32), Int64(high))
    if value < 0 {
      digits[first] -= parts.0
      digits[first + 1] -= parts.1
      digits[first + 2] -= parts.2
    } else {
      digits[first] += parts.0
      digits[first + 1] += parts.1
      digits[first + 2] += parts.2
    }
  }

  /// Adds another sum, digit by digit.
  mutating func add(_ other: ExactSum) {
    propagateCarries()
    var other = other
    other.propagateCarries()
    for index in digits.indices { digits[index] += other.digits[index] }
    propagateCarries()
  }

  /// The sum, rounded once to nearest.
  var value: Double {
    var copy = self
    copy.propagateCarries()
    let isNegative = copy.digits[ExactSum.digitCount - 1] < 0
    if isNegative {
      for index in copy.digits.indices { copy.digits[index] = -copy.digits[index] }
      copy.propagateCarries()
    }
    guard let top = copy.digits.lastIndex(where: { $0 != 0 }) else { return 0 }
    // Three digits hold at least 65 significant bits; what is below only breaks ties.
    let second = top >= 1 ? UInt64(copy.digits[top - 1]) : 0
    let third = top >= 2 ? UInt64(copy.digits[top - 2]) : 0
    var head = UInt64(copy.digits[top])
    var scale = 32 * top - 1074
    // A digit has 32 bits, so there is room for 32 to 63 more.
    let room = UInt64(head.leadingZeroBitCount)
    let below = second << 32 | third
    head = head << room | below >> (64 - room)
    scale -= Int(room)
    let isSticky =
      (below << room) != 0 || copy.digits.prefix(max(0, top - 2)).contains { $0 != 0 }
    if isSticky { head |= 1 }
    let magnitude = Double(sign: .plus, exponent: scale, significand: Double(head))
    return isNegative ? -magnitude : magnitude
  }

  private mutating func propagateCarries() {
    var carry: Int64 = 0
    for index in 0..<(ExactSum.digitCount - 1) {
      let digit = digits[index] + carry
      digits[index] = digit & 0xFFFF_FFFF
      carry = digit >> 32
    }
    digits[ExactSum.digitCount - 1] += carry
    additionsLeft = ExactSum.additionsPerCarry
  }

  static func == (left: ExactSum, right: ExactSum) -> Bool {
    var left = left
    var right = right
    left.propagateCarries()
    right.propagateCarries()
    return left.digits == right.digits
  }
}
