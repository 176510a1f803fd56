// SPDX-License-Identifier: GPL-3.0-or-later

/// One open container.
struct JSONFrame: Sendable {
  enum Kind {
    case object
    /// An array that began with a string, an object or null.
    case elements
    /// An array that may be one of numbers, with the arrays that are open in it.
    case numbers
  }

  /// What a container is charged for, beside its elements: this struct and its first allocations.
  static let overhead = 256

  let kind: Kind
  var numbers = NumericArrayBuilder()
  private(set) var elements: [JSONValue] = []
  private(set) var members: [JSONObject.Member] = []
  private var name = ""
  /// The names so far, once there are too many to compare one by one.
  private var names: Set<UTF8Key> = []

  init(kind: Kind) {
    self.kind = kind
  }

  /// Takes the name of the next member; false if the object has it already.
  mutating func begin(name: String) -> Bool {
    self.name = name
    let key = UTF8Key(name)
    if members.count < 8 { return !members.contains { UTF8Key($0.name) == key } }
    if names.isEmpty { names = Set(members.map { UTF8Key($0.name) }) }
    return names.insert(key).inserted
  }

  /// Takes an element, or the value that belongs to the last name.
  mutating func add(_ value: JSONValue) {
    if kind == .object {
      members.append(.init(name: name, value: value))
    } else {
      elements.append(value)
    }
  }
}

/// The three words of JSON.
enum JSONLiteral {
  case null, `true`, `false`

  init?(first byte: UInt8) {
    switch byte {
    case UInt8(ascii: "n"): self = .null
    case UInt8(ascii: "t"): self = .true
    case UInt8(ascii: "f"): self = .false
    default: return nil
    }
  }

  var text: StaticString {
    switch self {
    case .null: "null"
    case .true: "true"
    case .false: "false"
    }
  }

  var value: JSONValue {
    switch self {
    case .null: .null
    case .true: .bool(true)
    case .false: .bool(false)
    }
  }
}
