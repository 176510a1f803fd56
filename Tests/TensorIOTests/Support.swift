// SPDX-License-Identifier: GPL-3.0-or-later

@testable import TensorIO

/// A seed for a random test, which the test prints.
func freshSeed() -> UInt64 { .random(in: 0 ... .max) }

/// The value of a text, or its fault, with the text cut at the given offsets.
func parse(
  _ bytes: [UInt8],
  cuts: [Int] = [],
  limits: JSONScanner.Limits = .init()
) -> Result<JSONValue, JSONError> {
  var scanner = JSONScanner(limits: limits)
  do throws(JSONError) {
    var start = 0
    for cut in cuts + [bytes.count] {
      // A copy of its own for each piece lets a sanitizer see a read past the end.
      try scanner.consume(Array(bytes[start..<cut]))
      start = cut
    }
    return .success(try scanner.finish())
  } catch {
    return .failure(error)
  }
}

func parse(_ text: String, limits: JSONScanner.Limits = .init()) -> Result<JSONValue, JSONError> {
  parse(Array(text.utf8), limits: limits)
}

/// The array that a text is; nil if it is none.
func numbers(_ text: String) -> NumericArray? {
  guard case .success(.numbers(let array)) = parse(text) else { return nil }
  return array
}
