// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import HTTPTypes
import Sparsity

@testable import MaskAPI
@testable import MicroHTTP

/// The request target, and the parameters of its query.
///
/// - What is taken apart, printed and taken apart again is the same.
/// - A number is taken where the grammar of RFC 8259, or a plain one of digits, says so, and its
///   value is that of the C library.
/// - Parameters that are accepted are within their bounds.
func fuzzQuery(_ input: UnsafeRawBufferPointer) {
  let text = String(decoding: input, as: UTF8.self)
  guard let target = RequestTarget(text) else { return }
  require(!target.path.isEmpty && !target.path.utf8.contains(0), "a path has no NUL")

  var printed = escaped(target.path, keeping: "/*")
  for (index, item) in target.query.enumerated() {
    printed += (index == 0 ? "?" : "&") + escaped(item.name) + "=" + escaped(item.value)
  }
  guard let again = RequestTarget(printed) else { refute("what is printed is a target", #line) }
  require(again.path.utf8.elementsEqual(target.path.utf8), "the path survives printing")
  require(
    again.malformedQuery == nil
      && again.query.elementsEqual(target.query) {
        $0.name.utf8.elementsEqual($1.name.utf8) && $0.value.utf8.elementsEqual($1.value.utf8)
      },
    "the query survives printing"
  )

  guard let request = try? Request(method: .get, target: text) else {
    refute("a target makes a request", #line)
  }
  let set: ParameterSet
  do throws(Problem) {
    set = try ParameterSet(queryOf: request)
  } catch {
    let names = Set(target.query.map(\.name))
    require(
      target.malformedQuery != nil || names.count < target.query.count,
      "a query is refused for a cause"
    )
    return
  }
  require(target.malformedQuery == nil, "a malformed query is refused")
  for item in target.query { checkNumbers(item, set) }
  checkParameters(set)
}

/// Escapes all but unreserved characters (RFC 3986, section 2.3) and some others.
private func escaped(_ text: String, keeping others: String = "") -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      bytes.append(byte)
    case let byte where others.utf8.contains(byte) || "-._~".utf8.contains(byte):
      bytes.append(byte)
    default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}

private func checkNumbers(_ item: QueryItem, _ set: ParameterSet) {
  let value = item.value
  let isWhole = value.utf8.allSatisfy { (48...57).contains($0) } && !value.isEmpty
  let isInteger =
    isWhole
    || value.utf8.first == UInt8(ascii: "-") && value.utf8.count > 1
      && value.utf8.dropFirst().allSatisfy { (48...57).contains($0) }
  let integer = (try? set.integer(item.name)) ?? nil
  require(integer == (isInteger ? Int(value) : nil), "an integer is digits and no more")
  let unsigned = (try? set.unsignedInteger(item.name)) ?? nil
  require(unsigned == (isWhole ? UInt64(value) : nil), "a whole number is digits and no more")
  if let number = (try? set.number(item.name)) ?? nil {
    require(number.isFinite && number.bitPattern == strtod(value, nil).bitPattern, "a number")
  } else if integer != nil {
    refute("an integer is a number", #line)
  }
  require(((try? set.string(item.name)) ?? nil) == value, "a text is itself")
}

private func checkParameters(_ set: ParameterSet) {
  if let mask = try? MaskParameters(set) {
    let specification = mask.specification
    let pattern = specification.pattern
    require(pattern.n >= 1 && pattern.n <= pattern.m, "1 <= n <= m")
    require(
      pattern.m <= (specification.structure == .transposable ? 64 : 1024),
      "m has a bound"
    )
    require(
      specification.structure == .transposable || specification.method == .exact,
      "methods are of transposable masks"
    )
  }
  if let gradient = try? GradientParameters(set), case .threshold(let sparsity) = gradient.plan {
    require(sparsity >= 0 && sparsity < 1, "a share is below 1")
  }
  _ = try? ScoreParameters(set)
  _ = try? ModelParameters(set)
  _ = try? CompressionParameters(set)
}
