// SPDX-License-Identifier: GPL-3.0-or-later

/// What a body is by its first bytes.
public enum BodyFormat: Sendable, Hashable {
  case npy
  case safetensors
  case json
  /// None of these.
  case unknown

  /// The bytes that always suffice for `sniff` to decide, white space apart.
  public static let decisiveByteCount = 9

  /// Tells a format by its first bytes; nil if more of them are needed.
  ///
  /// JSON is what begins, after white space, as a value of JSON can; safetensors what has a header
  /// length below 4 GiB and then a brace, which no JSON text has, as its bytes are never zero.
  ///
  /// - Parameter isWhole: Whether no more bytes will come.
  public static func sniff(_ prefix: UnsafeRawBufferPointer, isWhole: Bool) -> BodyFormat? {
    let magic = NPYHeader.magic
    if prefix.prefix(magic.count).elementsEqual(magic.prefix(prefix.count)) {
      if prefix.count >= magic.count { return .npy }
      return isWhole ? .unknown : nil
    }
    if prefix.count >= 9, prefix[4..<8].allSatisfy({ $0 == 0 }), prefix[8] == UInt8(ascii: "{") {
      return .safetensors
    }
    if prefix.count < 9 && !isWhole { return nil }
    guard let first = prefix.first(where: { !isWhitespace($0) }) else {
      // Only before JSON does white space make sense; a long run of it is not looked at again.
      return isWhole ? .unknown : prefix.count >= 64 ? .json : nil
    }
    switch first {
    case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "t"),
      UInt8(ascii: "f"), UInt8(ascii: "n"):
      return .json
    default: return isNumberStart(first) ? .json : .unknown
    }
  }
}
