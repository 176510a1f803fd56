// SPDX-License-Identifier: GPL-3.0-or-later

extension JSONScanner {
  /// The fault of a byte that cannot stand at the present position.
  func unexpected(_ byte: UInt8, at offset: Int) -> JSONError {
    let reason: String
    switch position {
    case .value, .firstElement:
      reason =
        byte == UInt8(ascii: "N") || byte == UInt8(ascii: "I")
        ? "NaN and Infinity are not JSON values"
        : "a value is expected, not \(printable(byte))"
    case .afterValue:
      switch frames.last?.kind {
      case nil: reason = "nothing may follow the value, but \(printable(byte)) does"
      case .object: reason = "a comma or } is expected, not \(printable(byte))"
      case .numbers, .elements: reason = "a comma or ] is expected, not \(printable(byte))"
      }
    case .name, .firstName: reason = "a name in quotes is expected, not \(printable(byte))"
    case .colon: reason = "a colon is expected, not \(printable(byte))"
    case .literal:
      reason = "\(literal.text) is expected, with another letter than \(printable(byte))"
    case .string, .number: reason = "\(printable(byte)) cannot stand here"
    }
    return .syntax(reason: reason, offset: offset)
  }

  /// Why the byte `found`, after the byte `before`, cannot stand in a number.
  func numberFault(before: UInt8, found: UInt8) -> String {
    if found == UInt8(ascii: "I") || found == UInt8(ascii: "N") {
      return "NaN and Infinity are not JSON values"
    }
    if before == UInt8(ascii: "0"), found &- 48 <= 9 { return "a number has a leading zero" }
    return "a digit is expected, not \(printable(found))"
  }
}
