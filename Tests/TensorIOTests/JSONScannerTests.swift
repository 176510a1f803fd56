// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct JSONScannerTests {
  static let document = #"""
     {"weights": [[0.5, -1.25e-3, 3], [12345678.123456789, 0, 1e22]], "n": 2,"m":4 ,
      "text": "aé\u00e9\ud83d\ude00😀\n\"\\\/\b\f\r\t\u0000", "flags":[[true,false],[false,true]],
      "empty": [], "rows":[[],[]], "mixed": ["x", 1, null, {"a":{}}, [1, 2], [["y"]]],
      "big": 18446744073709551615, "no": null, "yes": true, "": false}
    """#

  @Test func `the whole document`() throws {
    guard case .success(.object(let object)) = parse(Self.document) else {
      Issue.record("\(parse(Self.document))")
      return
    }
    #expect(
      object.members.map(\.name) == [
        "weights", "n", "m", "text", "flags", "empty", "rows", "mixed", "big", "no", "yes", "",
      ]
    )
    #expect(
      object["weights"]
        == .numbers(
          NumericArray(
            values: [0.5, -0.00125, 3, 12345678.123456789, 0, 1e22],
            shape: [2, 3],
            leaf: .number,
            largeIntegers: []
          )
        )
    )
    #expect(object["text"] == .string("aéé😀😀\n\"\\/\u{8}\u{c}\r\t\0"))
    #expect(
      object["flags"]
        == .numbers(NumericArray(values: [1, 0, 0, 1], shape: [2, 2], leaf: .boolean))
    )
    #expect(object["empty"] == .numbers(NumericArray(values: [], shape: [0], leaf: .none)))
    #expect(object["rows"] == .numbers(NumericArray(values: [], shape: [2, 0], leaf: .none)))
    #expect(object["no"] == .null)
    #expect(object["yes"] == .bool(true))
    #expect(object[""] == .bool(false))
    guard case .array(let mixed) = object["mixed"] else {
      Issue.record("no array")
      return
    }
    #expect(
      mixed.map(\.kindName) == [
        "a string", "a number", "null", "an object", "an array", "an array",
      ]
    )
  }

  @Test func `any chunking gives the same value`() {
    let bytes = Array(Self.document.utf8)
    let whole = parse(bytes)
    #expect(throws: Never.self) { try whole.get() }
    for cut in 0...bytes.count {
      #expect(parse(bytes, cuts: [cut]) == whole, "cut at \(cut)")
    }
    #expect(parse(bytes, cuts: Array(1..<bytes.count)) == whole)
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<500 {
      let cuts = (0..<Int.random(in: 1...20, using: &random))
        .map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
      #expect(parse(bytes, cuts: cuts) == whole, "\(cuts)")
    }
  }

  /// Texts with one fault each, its offset, and a word of the message.
  static let faults: [(text: String, offset: Int, word: String)] = [
    ("", 0, "ends too soon"), ("  ", 2, "ends too soon"), ("[1,2", 4, "ends too soon"),
    ("[1.", 3, "ends too soon"), ("-", 1, "ends too soon"), ("\"ab", 3, "ends too soon"),
    ("{\"a\":", 5, "ends too soon"), ("[tru", 4, "ends too soon"), ("1e", 2, "ends too soon"),
    ("[[NaN,1,2,3]]", 2, "NaN"), ("[Infinity]", 1, "NaN"), ("[1,-Infinity]", 4, "NaN"),
    ("[NaN.2e2]", 1, "NaN"), ("NaN", 0, "NaN"), ("[nan]", 2, "null is expected"),
    ("[01]", 2, "leading zero"), ("[-012]", 3, "leading zero"), ("00", 1, "leading zero"),
    ("[1.]", 3, "digit"), ("[.5]", 1, "value"), ("[+1]", 1, "value"), ("[1.5.2]", 4, "comma or ]"),
    ("[1e]", 3, "digit"), ("[1e+]", 4, "digit"), ("[--1]", 2, "digit"), ("[1-2]", 2, "comma or ]"),
    ("[1 2]", 3, "comma or ]"), ("[1,]", 3, "value"), ("[,1]", 1, "value"), ("[1}", 2, "comma"),
    ("{\"a\":1]", 6, "comma or }"), ("{\"a\":1,}", 7, "name"), ("{a:1}", 1, "name"),
    ("{\"a\" 1}", 5, "colon"), ("{\"a\",1}", 4, "colon"), ("[1] x", 4, "nothing may follow"),
    ("[1][2]", 3, "nothing may follow"), ("1 2", 2, "nothing may follow"), ("nullx", 4, "nothing"),
    ("\u{feff}[1]", 0, "value"), ("[0x10]", 2, "comma"), ("'a'", 0, "value"), ("[1,2)", 4, "comma"),
    ("\"\u{1}\"", 1, "control character"), ("\"a\nb\"", 2, "control character"),
    ("\"\\x\"", 2, "escape"), ("\"\\u12g4\"", 5, "hexadecimal"), ("\"\\ud800\"", 1, "surrogate"),
    ("\"ab\\ud800\\n\"", 3, "surrogate"), ("\"\\udc00\"", 1, "surrogate"),
    ("\"\\ud800\\ud800\"", 1, "surrogate"), ("]", 0, "value"), ("{]", 1, "name"),
    ("{\"a\":1,\"b\":2,\"a\":3}", 13, "\"a\""), ("{\"a\":1,\"\\u0061\":3}", 7, "\"a\""),
    ("[{\"x\":{\"k\":1,\"k\":2}}]", 13, "\"k\""), ("[1,{\"k\":1,\"k\":2}]", 10, "\"k\""),
    ("[1.2.", 4, "comma or ]"), ("[trux]", 4, "true"), ("[1e5e5]", 4, "comma"),
    ("\u{0}", 0, "0x00"), ("[1/2]", 2, "comma"), ("[0.1e-]", 6, "digit"),
  ]

  @Test func `every fault has its offset, in any chunking`() {
    for (text, offset, word) in Self.faults {
      let bytes = Array(text.utf8)
      guard case .failure(let error) = parse(bytes) else {
        Issue.record("\(text) was taken")
        continue
      }
      #expect(error.offset == offset, "\(text)")
      #expect(error.message.contains(word), "\(text): \(error.message)")
      #expect(error.kind == .syntax)
      for cut in 0...bytes.count {
        #expect(parse(bytes, cuts: [cut]) == .failure(error), "\(text) cut at \(cut)")
      }
      #expect(parse(bytes, cuts: Array(1..<max(1, bytes.count))) == .failure(error), "\(text)")
    }
  }

  @Test(
    arguments: [
      ([0xff], 1), ([0xc0, 0x80], 1), ([0xc1, 0xbf], 1), ([0xe0, 0x9f, 0x80], 2),
      ([0xed, 0xa0, 0x80], 2), ([0xf0, 0x8f, 0x80, 0x80], 2), ([0xf4, 0x90, 0x80, 0x80], 2),
      ([0xf5, 0x80, 0x80, 0x80], 1), ([0xc3], 2), ([0xe2, 0x82], 3), ([0x80], 1),
      ([0xe2, 0x28, 0xa1], 2),
    ] as [([UInt8], Int)]
  )
  func `bad UTF-8 is refused where it goes wrong`(bytes: [UInt8], offset: Int) {
    let text = [0x22] + bytes + [0x22]
    for cut in 0...text.count {
      #expect(
        parse(text, cuts: [cut])
          == .failure(.syntax(reason: "the text is not UTF-8", offset: offset))
      )
    }
  }

  @Test func `every scalar survives, raw and escaped`() {
    for value in stride(from: UInt32(0x20), through: 0x10ffff, by: 37) {
      guard let scalar = UnicodeScalar(value), scalar != "\"", scalar != "\\" else { continue }
      let string = String(Character(scalar))
      #expect(parse("\"\(string)\"") == .success(.string(string)))
      let escaped = string.utf16.map { unit in
        let hex = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      }
      #expect(parse("\"\(escaped.joined())\"") == .success(.string(string)))
    }
  }

  @Test func `a failed scanner stays failed`() {
    var scanner = JSONScanner()
    #expect(throws: JSONError.self) { try scanner.consume(Array("[x".utf8)) }
    #expect(throws: JSONError.self) { try scanner.consume(Array("1]".utf8)) }
    #expect(throws: JSONError.self) { try scanner.finish() }
  }

  @Test func `names are told apart by their bytes`() {
    // The Kelvin sign is canonically equivalent to K; so are both spellings of é.
    guard case .success(.object(let object)) = parse("{\"\u{212a}\":1,\"é\":2,\"e\u{301}\":3}")
    else {
      Issue.record("refused")
      return
    }
    #expect(object["K"] == nil)
    #expect(object["\u{212a}"] != nil)
    #expect(object["e\u{301}"] != object["é"])
  }

  @Test func `duplicates are found among many names`() {
    let names = (0..<5000).map { "\"k\($0)\":0" }
    #expect(throws: Never.self) { try parse("{\(names.joined(separator: ","))}").get() }
    let text = "{\(names.joined(separator: ",")),\"k1234\":0}"
    #expect(parse(text) == .failure(.duplicateName("k1234", offset: text.utf8.count - 10)))
  }

  @Test func `any two of a few names are told apart`() {
    // A set of the names is made of an object only when it has some.
    for count in 1...20 {
      for first in 0..<count {
        let names = (0..<count).map { "\"k\($0)\":0" } + ["\"k\(first)\":0"]
        let offset = names.dropLast().reduce(1) { $0 + $1.utf8.count + 1 }
        #expect(
          parse("{\(names.joined(separator: ","))}")
            == .failure(.duplicateName("k\(first)", offset: offset))
        )
      }
    }
  }

  @Test(arguments: ["[", "{\"a\":", "{\"a\":[", "[[{\"a\":"])
  func `deep nesting is refused at once`(unit: String) {
    let text = Array(String(repeating: unit, count: 100_000).utf8)
    for cuts in [[], [1, 2, 17, 18, 1000]] {
      guard case .failure(.nestingTooDeep(16, let offset)) = parse(text, cuts: cuts) else {
        Issue.record("\(unit) was taken")
        continue
      }
      let opened = text[...offset].count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
      #expect(opened == 17)
    }
  }

  @Test func `nesting at the limit is taken, many times over`() {
    let deep = String(repeating: "[", count: 15) + "1" + String(repeating: "]", count: 15)
    let text = "[" + Array(repeating: deep, count: 100_000).joined(separator: ",") + "]"
    let array = numbers(text)
    #expect(array?.shape == [100_000] + Array(repeating: 1, count: 15))
    #expect(array?.irregularity == nil)
    let objects = "[" + Array(repeating: "{\"a\":[[]]}", count: 10_000).joined(separator: ",") + "]"
    guard case .success(.array(let elements)) = parse(objects) else {
      Issue.record("refused")
      return
    }
    #expect(elements.count == 10_000)
  }

  @Test func `the budget is exact and does not depend on the chunking`() {
    let text = Array(("[" + Array(repeating: "1", count: 1000).joined(separator: ",") + "]").utf8)
    let enough = JSONScanner.Limits(heldBytes: JSONFrame.overhead + 8000)
    let short = JSONScanner.Limits(heldBytes: JSONFrame.overhead + 7999)
    for cuts in [[], [700], Array(1..<text.count)] {
      #expect(throws: Never.self) { try parse(text, cuts: cuts, limits: enough).get() }
      #expect(
        parse(text, cuts: cuts, limits: short) == .failure(.tooLarge(limit: short.heldBytes))
      )
    }
    #expect(JSONError.tooLarge(limit: 1).kind == .limit)
    for text in [
      "[\(Array(repeating: "{}", count: 1000).joined(separator: ","))]",
      "\"\(String(repeating: "x", count: 10_000))\"",
      "{\((0..<500).map { "\"\($0)\":0" }.joined(separator: ","))}",
      "[\(Array(repeating: "[]", count: 1000).joined(separator: ",")),\"\(String(repeating: "é", count: 5000))\"]",
    ] {
      let limits = JSONScanner.Limits(heldBytes: 9000)
      #expect(parse(text, limits: limits) == .failure(.tooLarge(limit: 9000)))
    }
  }

  @Test func `a number of too many characters is refused, in any chunking`() {
    let limits = JSONScanner.Limits(numberLength: 10)
    for (text, error): (String, JSONError?) in [
      ("[1234567890]", nil), ("[12345678901]", .numberTooLong(limit: 10, offset: 1)),
      ("1234567890", nil), ("12345678901", .numberTooLong(limit: 10, offset: 0)),
      ("[0,123456789.]", .syntax(reason: "a digit is expected, not ']'", offset: 13)),
      ("[0,1234567890.]", .numberTooLong(limit: 10, offset: 3)),
      ("[0,12345678.]", .syntax(reason: "a digit is expected, not ']'", offset: 12)),
      ("[12345678901", .numberTooLong(limit: 10, offset: 1)),
    ] {
      let bytes = Array(text.utf8)
      for cut in 0...bytes.count {
        switch parse(bytes, cuts: [cut], limits: limits) {
        case .success: #expect(error == nil, "\(text) cut at \(cut)")
        case .failure(let found): #expect(found == error, "\(text) cut at \(cut)")
        }
      }
    }
  }
}
