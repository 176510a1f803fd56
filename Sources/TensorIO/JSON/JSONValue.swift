// SPDX-License-Identifier: GPL-3.0-or-later

/// A JSON document, with arrays of numbers held compactly.
public enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  /// An array, nested or not, whose first leaf is a number or a boolean, or that has no leaf.
  indirect case numbers(NumericArray)
  /// An array whose first element is a string, an object or null.
  case array([JSONValue])
  case object(JSONObject)

  /// The sort of value, with its article, for use in messages.
  public var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .numbers, .array: "an array"
    case .object: "an object"
    }
  }
}

/// The members of a JSON object, in the order of the text and with distinct names.
public struct JSONObject: Sendable, Hashable {
  /// One name and its value.
  public struct Member: Sendable, Hashable {
    public let name: String
    public let value: JSONValue

    /// Pairs a name with a value.
    public init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// The members in the order of the text.
  public let members: [Member]

  /// Makes an object of members whose names the caller knows to be distinct.
  public init(members: [Member]) {
    self.members = members
  }

  /// The value of the member of this very name, byte for byte.
  ///
  /// `String` equality is not used: it holds canonically equivalent names equal (the Kelvin sign
  /// and K), which JSON does not.
  ///
  /// - Complexity: O(members).
  public subscript(name: String) -> JSONValue? {
    members.first { UTF8Key($0.name) == UTF8Key(name) }?.value
  }
}

/// A string that is compared by its bytes.
struct UTF8Key: Hashable, Sendable {
  let string: String

  init(_ string: String) {
    self.string = string
  }

  static func == (left: UTF8Key, right: UTF8Key) -> Bool {
    left.string.utf8.elementsEqual(right.string.utf8)
  }

  func hash(into hasher: inout Hasher) {
    for byte in string.utf8 { hasher.combine(byte) }
  }
}

/// A number outside any array, with the text that it was written as.
public struct JSONNumber: Sendable, Hashable {
  /// The number as it was written.
  public let text: String
  /// The nearest Double, to even in a tie; infinite when the number is beyond all of them.
  public let value: Double

  init(text: String, value: Double) {
    self.text = text
    self.value = value
  }

  /// Whether the number is beyond the range of Double, as 1e999 is.
  public var isOverflow: Bool { value.isInfinite }

  /// The number, if it is whole and fits: 7, 7.0 and 0.7e1 all do.
  ///
  /// - Complexity: O(length of the text).
  public var int64: Int64? { exact?.int64 }

  /// The number, if it is whole, not negative and fits.
  ///
  /// - Complexity: O(length of the text).
  public var uint64: UInt64? { exact?.uint64 }

  /// The number, if it is whole and fits.
  ///
  /// - Complexity: O(length of the text).
  public var int: Int? { int64.flatMap { Int(exactly: $0) } }

  private var exact: ExactInteger? {
    var text = text
    return text.withUTF8 { ExactInteger(numberText: $0) }
  }
}
