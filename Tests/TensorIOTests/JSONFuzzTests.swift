// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

/// Makes random texts that are JSON or nearly so.
private struct TextMaker {
  var random: SplitMix64

  mutating func pick(_ choices: [String]) -> String {
    choices.randomElement(using: &random) ?? ""
  }

  mutating func number() -> String {
    pick([
      "0", "1", "-0", "7", "1.5", "-2.25e-3", "1e22", "9007199254740993", "1e999", "12345678901",
      "0.1234567890123456789", "18446744073709551616", "-1E+2", "00", "1.", "-", "1e", "1.5.2",
      "NaN",
    ])
  }

  mutating func string() -> String {
    "\"" + pick(["", "a", "é😀", "\\n\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\x", "a\u{1}", "b\""])
      + "\""
  }

  mutating func space() -> String { pick(["", "", "", " ", "\n\t "]) }

  mutating func value(depth: Int) -> String {
    switch Int.random(in: 0..<(depth > 0 ? 12 : 6), using: &random) {
    case 0...2: return number()
    case 3: return pick(["true", "false", "null", "tru", "nulll", "True"])
    case 4: return string()
    case 5: return "\(Int.random(in: -9...9, using: &random))"
    case 6...9:
      let isUniform = Bool.random(using: &random)
      let element = value(depth: depth - 1)
      let elements = (0..<Int.random(in: 0...4, using: &random)).map { _ in
        space() + (isUniform ? element : value(depth: depth - 1)) + space()
      }
      return "[" + elements.joined(separator: pick([",", ",", ",", ",,", " "]))
        + pick(["]", "]", "}"])
    default:
      let members = (0..<Int.random(in: 0...3, using: &random)).map { _ in
        string() + space() + ":" + value(depth: depth - 1)
      }
      return "{" + members.joined(separator: ",") + "}"
    }
  }
}

@Suite struct JSONFuzzTests {
  @Test func `random texts mean the same in any chunking`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var maker = TextMaker(random: SplitMix64(seed: seed))
    var counts = (taken: 0, refused: 0)
    for _ in 0..<20_000 {
      var bytes = Array((maker.value(depth: 4) + maker.pick(["", "", "", " ", "x", ","])).utf8)
      if Int.random(in: 0..<4, using: &maker.random) == 0, !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &maker.random)
        bytes[place] = UInt8.random(in: 0...255, using: &maker.random)
      }
      let limits = JSONScanner.Limits(
        depth: Int.random(in: 1...5, using: &maker.random),
        heldBytes: Int.random(in: 0...4000, using: &maker.random),
        numberLength: Int.random(in: 3...30, using: &maker.random)
      )
      let whole = parse(bytes, limits: limits)
      if case .success = whole { counts.taken += 1 } else { counts.refused += 1 }
      let text = String(decoding: bytes, as: UTF8.self)
      try #require(
        parse(bytes, cuts: Array(1..<max(1, bytes.count)), limits: limits) == whole,
        "\(text)"
      )
      let cut = Int.random(in: 0...bytes.count, using: &maker.random)
      try #require(parse(bytes, cuts: [cut], limits: limits) == whole, "\(text) cut at \(cut)")
    }
    // Both sorts must be among the texts, or the test has shown nothing.
    #expect(counts.taken > 1000 && counts.refused > 1000)
  }
}
