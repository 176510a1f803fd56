// SPDX-License-Identifier: GPL-3.0-or-later

/// A request target taken apart: origin form, absolute form or `*` (RFC 9112 section 3.2).
struct RequestTarget {
  let path: String
  let query: [QueryItem]
  let malformedQuery: String?

  /// Takes a target apart.
  ///
  /// Returns nil when it has no path, or when the path cannot be decoded.
  ///
  /// - Complexity: O(length of the target).
  init?(_ target: String) {
    var rest = Array(target.utf8)[...]
    // A space or a control character would end the target for another reader of the same bytes.
    // A fragment is never sent.
    guard !rest.contains(where: { $0 <= 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "#") })
    else { return nil }
    rest = Self.withoutOrigin(rest)
    let mark = rest.firstIndex(of: UInt8(ascii: "?"))
    let rawPath = rest[..<(mark ?? rest.endIndex)]
    guard !rawPath.isEmpty, let path = Self.decode(rawPath, as: .path) else { return nil }
    self.path = path

    var query: [QueryItem] = []
    var malformedQuery: String?
    if let mark {
      for piece in rest[(mark + 1)...].split(separator: UInt8(ascii: "&")) {
        let equals = piece.firstIndex(of: UInt8(ascii: "="))
        let rawValue = equals.map { piece[($0 + 1)...] } ?? []
        if let name = Self.decode(piece[..<(equals ?? piece.endIndex)], as: .query),
          let value = Self.decode(rawValue, as: .query)
        {
          query.append(QueryItem(name: name, value: value))
        } else if malformedQuery == nil {
          malformedQuery = String(decoding: piece, as: UTF8.self)
        }
      }
    }
    self.query = query
    self.malformedQuery = malformedQuery
  }

  /// Drops the scheme and authority of an absolute target, as a proxy sends it.
  private static func withoutOrigin(_ target: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard let first = target.first, first != UInt8(ascii: "/") else { return target }
    for scheme in ["http://", "https://"] {
      let prefix = target.prefix(scheme.utf8.count)
      guard prefix.elementsEqual(scheme.utf8, by: { lowercase($0) == $1 }) else { continue }
      let authority = target[prefix.endIndex...]
      let end = authority.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
      guard let end else { return [UInt8(ascii: "/")] }
      if authority[end] == UInt8(ascii: "/") { return authority[end...] }
      return [UInt8(ascii: "/")] + authority[end...]
    }
    return target
  }

  private static func lowercase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  enum Part { case path, query }

  /// Decodes percent escapes once, and `+` as a space in a query.
  ///
  /// An escaped slash stays `%2F` in a path, so that no path gains a segment by decoding. Returns
  /// nil for an incomplete escape, an escaped NUL, or bytes that are not UTF-8.
  static func decode(_ bytes: ArraySlice<UInt8>, as part: Part) -> String? {
    let isPlain = !bytes.contains { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }
    if isPlain { return String(validating: bytes, as: UTF8.self) }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "%"):
        guard index + 1 < bytes.endIndex,
          let high = hexadecimal(bytes[index]), let low = hexadecimal(bytes[index + 1])
        else { return nil }
        let value = high << 4 | low
        guard value != 0 else { return nil }
        if part == .path, value == UInt8(ascii: "/") {
          decoded += "%2F".utf8
        } else {
          decoded.append(value)
        }
        index += 2
      case UInt8(ascii: "+") where part == .query: decoded.append(UInt8(ascii: " "))
      default: decoded.append(byte)
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
