// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// The parameters of a request, from its query and from the members of its JSON body.
///
/// A name may stand in one of them, once. What was not asked for by name is refused, so that a
/// misspelt parameter never changes a result silently.
struct ParameterSet: Sendable {
  enum Value: Sendable {
    /// From the query.
    case text(String)
    /// From a JSON body.
    case json(JSONValue)
  }

  /// In the order of the request. There are few, and most are looked for once or twice, so that a
  /// dictionary would take longer to build than to search this.
  private var entries: [(name: String, value: Value)] = []

  /// The most that a query may have, so that one of its many thousand bytes does not take long.
  private static let maximumQueryCount = 64

  /// Makes a set without parameters.
  init() {}

  /// Gives a parameter that stands for one from a query.
  mutating func set(_ name: String, _ value: String) { set(name, .text(value)) }

  /// Gives a parameter that stands for a member of a JSON body.
  mutating func set(_ name: String, _ value: JSONValue) { set(name, .json(value)) }

  private mutating func set(_ name: String, _ value: Value) {
    entries.removeAll { $0.name == name }
    entries.append((name, value))
  }

  /// Reads the query of `request`.
  init(queryOf request: Request) throws(Problem) {
    if let piece = request.malformedQuery {
      throw Problem(.badRequest, "The query has a piece that cannot be decoded: '\(piece)'.")
    }
    guard request.query.count <= Self.maximumQueryCount else {
      throw Problem(
        .badRequest,
        "The query has more than \(Self.maximumQueryCount) parameters."
      )
    }
    entries.reserveCapacity(request.query.count)
    for item in request.query {
      guard !contains(item.name) else {
        throw Problem(.badRequest, "The query parameter '\(item.name)' is given twice.")
      }
      entries.append((item.name, .text(item.value)))
    }
  }

  /// Adds the members of a JSON body.
  mutating func add(_ object: JSONObject) throws(Problem) {
    let query = self
    for member in object.members {
      guard !query.contains(member.name) else {
        throw Problem(
          .badRequest,
          "'\(member.name)' is given in the query and in the body.",
          pointer: "/\(member.name)"
        )
      }
      entries.append((member.name, .json(member.value)))
    }
  }

  /// Refuses names other than `names`.
  func allowOnly(_ names: Set<String>) throws(Problem) {
    guard let name = entries.lazy.map(\.name).filter({ !names.contains($0) }).min() else { return }
    let known = names.sorted().joined(separator: ", ")
    throw Problem(
      .badRequest,
      "There is no parameter '\(name)' here; there are: \(known).",
      pointer: "/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
    )
  }

  /// Whether a parameter of this name is given.
  func contains(_ name: String) -> Bool { entries.contains { $0.name == name } }

  /// The value of this name as it came.
  subscript(name: String) -> Value? { entries.first { $0.name == name }?.value }

  /// A whole number.
  func integer(_ name: String) throws(Problem) -> Int? {
    switch self[name] {
    case nil: return nil
    case .text(let text)?:
      if let number = Self.integer(from: text) { return number }
      throw wrongValue(name, "a whole number", found: "'\(text)'")
    case .json(.number(let number))?:
      if let number = number.int { return number }
      throw wrongValue(name, "a whole number", found: number.text)
    case .json(let other)?:
      throw wrongValue(name, "a whole number", found: other.kindName)
    }
  }

  /// A finite number.
  func number(_ name: String) throws(Problem) -> Double? {
    switch self[name] {
    case nil: return nil
    case .text(let text)?:
      // A letter would let `Double` take "nan", "infinity" and hexadecimal.
      if text.utf8.allSatisfy({ Array("0123456789.+-eE".utf8).contains($0) }),
        let number = Double(text), number.isFinite
      {
        return number
      }
      throw wrongValue(name, "a number", found: "'\(text)'")
    case .json(.number(let number))?:
      if number.value.isFinite { return number.value }
      throw wrongValue(name, "a number", found: number.text)
    case .json(let other)?:
      throw wrongValue(name, "a number", found: other.kindName)
    }
  }

  /// A whole number that must be given.
  func requiredInteger(_ name: String) throws(Problem) -> Int {
    guard let number = try integer(name) else { throw missing(name) }
    return number
  }

  /// An unsigned 64-bit number; in JSON also as a string, because readers lose digits above 2^53.
  func unsignedInteger(_ name: String) throws(Problem) -> UInt64? {
    let wanted = "a whole number from 0 to 18446744073709551615"
    switch self[name] {
    case nil: return nil
    case .text(let text)?, .json(.string(let text))?:
      if text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt64(text) {
        return number
      }
      throw wrongValue(name, wanted, found: "'\(text)'")
    case .json(.number(let number))?:
      if let number = number.uint64 { return number }
      throw wrongValue(name, wanted, found: number.text)
    case .json(let other)?:
      throw wrongValue(name, wanted, found: other.kindName)
    }
  }

  /// True or false.
  func boolean(_ name: String) throws(Problem) -> Bool? {
    switch self[name] {
    case nil: return nil
    case .text("true")?, .json(.bool(true))?: return true
    case .text("false")?, .json(.bool(false))?: return false
    case .text(let text)?: throw wrongValue(name, "true or false", found: "'\(text)'")
    case .json(let other)?: throw wrongValue(name, "true or false", found: other.kindName)
    }
  }

  /// A text.
  func string(_ name: String) throws(Problem) -> String? {
    switch self[name] {
    case nil: return nil
    case .text(let text)?, .json(.string(let text))?: return text
    case .json(let other)?: throw wrongValue(name, "a string", found: other.kindName)
    }
  }

  /// One of the names of `Choice`.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String,
    _ type: Choice.Type = Choice.self
  ) throws(Problem) -> Choice? {
    let found: String
    switch self[name] {
    case nil: return nil
    case .text(let text)?, .json(.string(let text))?:
      if let choice = Choice(rawValue: text) { return choice }
      found = "'\(text)'"
    case .json(let other)?: found = other.kindName
    }
    let choices = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    throw wrongValue(name, "one of \(choices)", found: found)
  }

  func missing(_ name: String) -> Problem {
    Problem(.unprocessableContent, "'\(name)' is required.", pointer: "/\(name)")
  }

  private func wrongValue(_ name: String, _ wanted: String, found: String) -> Problem {
    Problem(
      .unprocessableContent,
      "'\(name)' must be \(wanted), not \(found).",
      pointer: "/\(name)"
    )
  }

  /// Digits with an optional minus sign, and nothing else that `Int` would take.
  private static func integer(from text: String) -> Int? {
    let digits = text.utf8.first == 45 ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }
}
