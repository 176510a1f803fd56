// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a JSON text was refused.
///
/// Offsets count bytes from the start of the text, however it was cut into chunks.
public enum JSONError: Error, Sendable, Hashable {
  /// The byte at `offset` cannot stand there.
  case syntax(reason: String, offset: Int)
  /// The text ends, at `offset`, before its value does.
  case unexpectedEnd(offset: Int)
  /// An object has two members of one name; the second begins at `offset`.
  case duplicateName(String, offset: Int)
  /// The container that opens at `offset` lies deeper than `limit` containers.
  case nestingTooDeep(limit: Int, offset: Int)
  /// The number that begins at `offset` has more than `limit` characters.
  case numberTooLong(limit: Int, offset: Int)
  /// The numbers and strings of the text would take more than `limit` bytes of memory.
  case tooLarge(limit: Int)

  /// What sort of fault this is.
  public var kind: FaultKind {
    switch self {
    case .syntax, .unexpectedEnd, .duplicateName, .nestingTooDeep: .syntax
    case .numberTooLong, .tooLarge: .limit
    }
  }

  /// The offset of the offending byte, where there is one.
  public var offset: Int? {
    switch self {
    case .syntax(_, let offset), .unexpectedEnd(let offset), .duplicateName(_, let offset),
      .nestingTooDeep(_, let offset), .numberTooLong(_, let offset):
      offset
    case .tooLarge: nil
    }
  }

  /// One sentence for the user.
  public var message: String {
    switch self {
    case .syntax(let reason, let offset):
      "The JSON is invalid at byte \(offset): \(reason)."
    case .unexpectedEnd(let offset):
      "The JSON ends too soon, after \(offset) bytes."
    case .duplicateName(let name, let offset):
      "The JSON has two members named \"\(name.shortened(to: 64))\" in one object, the second at byte \(offset)."
    case .nestingTooDeep(let limit, let offset):
      "The JSON has nesting deeper than \(limit) levels at byte \(offset)."
    case .numberTooLong(let limit, let offset):
      "The JSON number at byte \(offset) has more than \(limit) characters."
    case .tooLarge(let limit):
      "The values of the JSON take more than the \(limit) bytes that are allowed for them."
    }
  }
}

extension String {
  /// The first `count` characters, with an ellipsis where something was cut, for use in messages.
  func shortened(to count: Int) -> String {
    let head = prefix(count)
    return head.endIndex == endIndex ? self : head + "…"
  }
}
