// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

private func text(_ value: Double) -> String {
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: NumberText.maximumLength)
  defer { bytes.deallocate() }
  let count = NumberText.write(value, to: bytes)
  return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
}

private func text(_ value: Float) -> String {
  let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: NumberText.maximumLength)
  defer { bytes.deallocate() }
  let count = NumberText.write(value, to: bytes)
  return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
}

/// The significant digits of a text, without zeros at either end.
private func digits(_ text: String) -> Substring {
  let mantissa = text.prefix { $0 != "e" }.filter(\.isNumber)
  let head = mantissa.drop { $0 == "0" }
  return head.dropLast(head.reversed().prefix { $0 == "0" }.count)
}

@Suite struct NumberTextTests {
  /// The standard library's text is the shortest and the nearest too, so that the digits agree.
  private func check(_ value: Double) throws {
    let text = text(value)
    try #require(Double(text)?.bitPattern == value.bitPattern, "\(text) for \(value)")
    try #require(digits(text) == digits("\(value)"), "\(text) for \(value)")
  }

  private func check(_ value: Float) throws {
    let text = text(value)
    try #require(Float(text)?.bitPattern == value.bitPattern, "\(text) for \(value)")
    try #require(digits(text) == digits("\(value)"), "\(text) for \(value)")
  }

  @Test func `random Doubles`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<100_000 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { try check(value) }
      try check(Double.random(in: -1...1, using: &random))
      try check(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 1000)
    }
  }

  @Test func `random Floats`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<100_000 {
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      if value.isFinite { try check(value) }
      try check(Float.random(in: -1...1, using: &random))
    }
  }

  @Test func `powers of two and ten, and their neighbours`() throws {
    for exponent in -1074...1023 {
      let power = Double(sign: .plus, exponent: exponent, significand: 1)
      for value in [power, power.nextUp, power.nextDown] where value > 0 { try check(value) }
    }
    for exponent in -149...127 {
      let power = Float(sign: .plus, exponent: exponent, significand: 1)
      for value in [power, power.nextUp, power.nextDown] where value > 0 { try check(value) }
    }
    for exponent in -323...308 {
      guard let power = Double("1e\(exponent)") else { continue }
      for value in [power, power.nextUp, power.nextDown] where value > 0 { try check(value) }
      let float = Float(power)
      for value in [float, float.nextUp, float.nextDown] where value > 0 && value.isFinite {
        try check(value)
      }
    }
    try check(Double.greatestFiniteMagnitude)
    try check(Float.greatestFiniteMagnitude)
    try check(Double.leastNormalMagnitude)
    try check(Float.leastNormalMagnitude)
  }

  @Test(arguments: [
    (0.0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (-1.5, "-1.5"), (100, "100.0"), (0.1, "0.1"),
    (123456.789, "123456.789"), (0.00012, "0.00012"), (0.00001, "0.00001"), (1e-6, "1e-6"),
    (1.25e-7, "1.25e-7"), (1e16, "10000000000000000.0"), (1e17, "1e17"), (1.5e300, "1.5e300"),
    (9_007_199_254_740_992, "9007199254740992.0"), (1e23, "1e23"), (.infinity, "null"),
    (.nan, "null"),
    (12_345_678_901_234_568, "12345678901234568.0"), (1e22, "1e22"),
    (-Double.leastNonzeroMagnitude, "-5e-324"),
  ])
  func `forms`(value: Double, expected: String) {
    #expect(text(value) == expected)
  }
}
