// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct ShortDecimalTests {
  /// A number of the form that is read in one go, or of one beside it.
  private func token(using random: inout SplitMix64) -> String {
    let digits = { (count: Int, random: inout SplitMix64) in
      String((0..<count).map { _ in Character("\(Int.random(in: 0...9, using: &random))") })
    }
    let sign = Bool.random(using: &random) ? "-" : ""
    let count = Int.random(in: 1...24, using: &random)
    let plain = "\(sign)\(digits(1, &random)).\(digits(count, &random))"
    switch Int.random(in: 0..<16, using: &random) {
    case 3: return "\(sign)\(Int.random(in: 10...Int(1e17), using: &random)).\(digits(2, &random))"
    case 4: return "\(sign)0.000\(digits(17, &random))"
    case 5:
      let value = Double.random(in: -1...1, using: &random)
      return value.magnitude < 1e-4 ? "0.5" : "\(value)"
    case 6: return "\(Double(Float.random(in: 1...2, using: &random)))"
    case 7:
      // Halfway between two Doubles.
      return "\(sign)\(UInt64.random(in: 1 << 52..<1 << 53, using: &random) | 1).5"
    case 8:
      return "\(sign)\(UInt64.random(in: 1 << 51..<1 << 52, using: &random)).25"
    case 9:
      // So near to halfway between two Doubles that the extended format rounds it there.
      let middle = UInt64.random(in: 1 << 53..<1 << 54, using: &random) | 1
      let scaled = middle.multipliedFullWidth(by: 1_000_000_000_000_000_000)
      let digits = scaled.high << 11 | scaled.low >> 53
      let nearest = digits + (scaled.low >> 52 & 1)
      return "\(sign)1.\("\(nearest)".dropFirst())"
    case 0: return plain + "e-\(digits(1, &random))"
    case 1: return "\(sign)\(Int.random(in: 0...99_999, using: &random))"
    case 2: return "\(sign)1\(plain.drop { $0 == "-" })"
    default: return plain
    }
  }

  /// A number that is read together with three others.
  private func shortToken(using random: inout SplitMix64) -> String {
    let sign = Bool.random(using: &random) ? "-" : ""
    let most = [9, 9, 99, 999_999][Int.random(in: 0..<4, using: &random)]
    let whole = "\(Int.random(in: 0...most, using: &random))"
    let count = Int.random(in: 1...(15 - whole.count), using: &random)
    let fraction = (0..<count).map { _ in "\(Int.random(in: 0...9, using: &random))" }
    return "\(sign)\(whole).\(fraction.joined())"
  }

  @Test func `numbers in a long row are those that the standard library reads`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for round in 0..<200 {
      let texts = (0..<200).map { index in
        round.isMultiple(of: 2) || index == 100
          ? token(using: &random) : shortToken(using: &random)
      }
      let separator = Bool.random(using: &random) ? "," : ", "
      let array = try #require(numbers("[" + texts.joined(separator: separator) + "]"))
      try #require(array.values.count == texts.count)
      for (text, value) in zip(texts, array.values) {
        try #require(value.bitPattern == Double(text)?.bitPattern, "\(text)")
      }
    }
  }

  @Test func `a row with a fault in it is refused as it is byte by byte`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let faults = Array("0123456789.,-+eE []{}\"a\u{0}/:".utf8)
    for round in 0..<3000 {
      let texts = (0..<12).map { _ in
        round.isMultiple(of: 2) ? token(using: &random) : shortToken(using: &random)
      }
      var bytes = Array("[\(texts.joined(separator: ","))]".utf8)
      let place = Int.random(in: 1..<bytes.count, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes[place] = faults.randomElement(using: &random) ?? 0
      case 1: bytes.insert(faults.randomElement(using: &random) ?? 0, at: place)
      default: bytes.remove(at: place)
      }
      let text = String(decoding: bytes, as: UTF8.self)
      try #require(outcome(bytes, piece: bytes.count) == outcome(bytes, piece: 1), "\(text)")
      try #require(outcome(bytes, piece: bytes.count) == outcome(bytes, piece: 40), "\(text)")
    }
  }

  @Test(arguments: [4, 15, 16, 17, 40])
  func `the limit of a number's length holds for short ones too`(limit: Int) {
    let row = "[" + String(repeating: "-0.123456789012,", count: 8) + "1]"
    let limits = JSONScanner.Limits(numberLength: limit)
    let isRefused =
      if case .failure(.numberTooLong) = parse(row, limits: limits) { true } else { false }
    #expect(isRefused == (limit < 15))
  }

  private func outcome(_ bytes: [UInt8], piece: Int) -> Result<JSONValue, JSONError> {
    Result { () throws(JSONError) in
      var scanner = JSONScanner(expectedBytes: bytes.count)
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + piece)
        try scanner.consume(Array(bytes[start..<end]))
        start = end
      }
      return try scanner.finish()
    }
  }
}
