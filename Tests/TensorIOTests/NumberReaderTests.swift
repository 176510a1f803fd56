// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

/// The Double that a text parses to, inside an array and as a whole document; nil if they differ.
private func parsed(_ text: String) -> Double? {
  guard case .success(.number(let scalar)) = parse(text),
    let array = numbers("[\(text)]"),
    let first = array.values.first,
    first.bitPattern == scalar.value.bitPattern
  else { return nil }
  return first
}

@Suite struct NumberReaderTests {
  @Test func `random bit patterns survive the round trip`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<200_000 {
      let value = Double(bitPattern: random.next())
      guard value.isFinite else { continue }
      let text = "\(value)"
      try #require(parsed(text)?.bitPattern == value.bitPattern, "\(text)")
    }
  }

  @Test func `random decimal texts agree with the standard library`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<100_000 {
      var text = Bool.random(using: &random) ? "-" : ""
      let integer = Int.random(in: 0...24, using: &random)
      text += integer == 0 ? "0" : "\(Int.random(in: 1...9, using: &random))"
      for _ in 0..<max(0, integer - 1) { text += "\(Int.random(in: 0...9, using: &random))" }
      if Bool.random(using: &random) {
        text += "."
        for _ in 0...Int.random(in: 0...24, using: &random) {
          text += "\(Int.random(in: 0...9, using: &random))"
        }
      }
      if Bool.random(using: &random) {
        text += ["e", "E", "e+", "e-", "E-"].randomElement(using: &random) ?? ""
        text += "\(Int.random(in: 0...330, using: &random))"
      }
      try #require(parsed(text)?.bitPattern == Double(text)?.bitPattern, "\(text)")
    }
  }

  @Test func `texts halfway between two Doubles round to even`() {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<2000 {
      // Halfway between m and m + 1 in units of 2^e is (2m + 1) x 2^(e - 1): an exact decimal.
      let mantissa = UInt64.random(in: 1 << 52..<1 << 53, using: &random)
      let exponent = Int.random(in: -60...60, using: &random)
      let text = exactDecimal(mantissa * 2 + 1, powerOfTwo: exponent - 1)
      let even = mantissa % 2 == 0 ? mantissa : mantissa + 1
      #expect(parsed(text) == Double(sign: .plus, exponent: exponent, significand: Double(even)))
      let above = text.contains(".") ? text + "1" : text + ".0001"
      #expect(
        parsed(above)
          == Double(sign: .plus, exponent: exponent, significand: Double(mantissa + 1)),
        "\(above)"
      )
    }
  }

  @Test(arguments: [
    ("0", 0.0), ("-0", -0.0), ("-0.0e5", -0.0), ("1e-400", 0), ("-1e-400", -0.0),
    ("4.9e-324", Double.leastNonzeroMagnitude), ("2.4703282292062327e-324", 0),
    ("2.4703282292062328e-324", Double.leastNonzeroMagnitude),
    ("2.2250738585072011e-308", Double.leastNormalMagnitude.nextDown),
    ("2.2250738585072014e-308", 0x1p-1022),
    ("1.7976931348623157e308", .greatestFiniteMagnitude),
    ("1.7976931348623158e308", .greatestFiniteMagnitude),
    ("9007199254740993", 9_007_199_254_740_992),
    ("9007199254740993.00001", 9_007_199_254_740_994),
    ("0e999999999999", 0), ("1E2", 100), ("1e+2", 100), ("1e-0", 1), ("0.1e1", 1),
    ("123456789012345678901234567890", 123_456_789_012_345_677_877_719_597_056),
    ("7.2057594037927933e16", 72_057_594_037_927_936),
    ("8.589934592e9", 0x1p33), ("1e23", 1e23), ("6.02214076e23", 6.02214076e23),
  ])
  func `known values`(text: String, value: Double) {
    #expect(parsed(text)?.bitPattern == value.bitPattern)
  }

  @Test(arguments: ["1e309", "-1e309", "1.7976931348623159e308", "1e999", "1e999999999999999999"])
  func `overflow is recorded, not an error`(text: String) {
    let array = numbers("[[0,1],[2,\(text)],[\(text),3]]")
    #expect(array?.firstOverflow == 3)
    #expect(array?.values[3].isInfinite == true)
    #expect(array?.path(of: 3) == [1, 1])
    #expect(array?.values[5] == 3)
    guard case .success(.number(let scalar)) = parse(text) else {
      Issue.record("no number")
      return
    }
    #expect(scalar.isOverflow && scalar.text == text)
  }

  @Test func `a long number is read to its last digit`() {
    let zeros = String(repeating: "0", count: 1200)
    #expect(parsed("1." + zeros + "e0") == 1)
    #expect(parsed("0." + zeros + "1e1201") == 1)
    // One more than a halfway point, 770 digits later.
    #expect(parsed("9007199254740993." + zeros + "1") == 9_007_199_254_740_994)
  }

  @Test func `integers beyond 2^53 are exact`() {
    let array = numbers(
      "[9007199254740993,-9007199254740993,1,9223372036854775807,-9223372036854775808,"
        + "18446744073709551615,9007199254740994,9007199254740993.0,900719925474099.3e1]"
    )
    #expect(array?.integer(at: 0) == 9_007_199_254_740_993)
    #expect(array?.integer(at: 1) == -9_007_199_254_740_993)
    #expect(array?.integer(at: 2) == 1)
    #expect(array?.integer(at: 3) == .max)
    #expect(array?.integer(at: 4) == .min)
    #expect(array?.integer(at: 5) == nil)
    #expect(array?.integer(at: 6) == 9_007_199_254_740_994)
    #expect(array?.integer(at: 7) == 9_007_199_254_740_993)
    #expect(array?.integer(at: 8) == 9_007_199_254_740_993)
  }

  @Test(
    arguments: [
      ("18446744073709551615", UInt64.max, nil), ("7", 7, 7), ("7.0", 7, 7), ("0.7e1", 7, 7),
      ("70e-1", 7, 7), ("-0", 0, 0), ("-5", nil, -5), ("-9223372036854775808", nil, Int64.min),
      ("9223372036854775808", 9_223_372_036_854_775_808, nil), ("18446744073709551616", nil, nil),
      ("1.5", nil, nil), ("1e20", nil, nil), ("1e19", 10_000_000_000_000_000_000, nil),
      ("0.00", 0, 0), ("1e-1", nil, nil), ("0e999999", 0, 0), ("1200e-2", 12, 12),
    ] as [(String, UInt64?, Int64?)]
  )
  func `scalars as integers`(text: String, unsigned: UInt64?, signed: Int64?) {
    guard case .success(.number(let scalar)) = parse(text) else {
      Issue.record("no number")
      return
    }
    #expect(scalar.uint64 == unsigned)
    #expect(scalar.int64 == signed)
  }
}

/// The decimal text of `value` x 2^`powerOfTwo`, exactly.
private func exactDecimal(_ value: UInt64, powerOfTwo: Int) -> String {
  var digits = String(value).utf8.reversed().map { Int($0) - 48 }  // the last digit first
  func multiply(by factor: Int) {
    var carry = 0
    for index in digits.indices {
      carry += digits[index] * factor
      digits[index] = carry % 10
      carry /= 10
    }
    while carry > 0 {
      digits.append(carry % 10)
      carry /= 10
    }
  }
  for _ in 0..<abs(powerOfTwo) { multiply(by: powerOfTwo < 0 ? 5 : 2) }
  let places = max(0, -powerOfTwo)
  while digits.count <= places { digits.append(0) }
  let text = String(
    String.UnicodeScalarView(digits.reversed().map { UnicodeScalar(UInt8(48 + $0)) })
  )
  let point = text.index(text.endIndex, offsetBy: -places)
  return places == 0 ? text : text[..<point] + "." + text[point...]
}
