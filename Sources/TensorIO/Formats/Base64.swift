// SPDX-License-Identifier: GPL-3.0-or-later

/// Base64 with padding (RFC 4648, section 4).
///
/// By hand so that a mask goes straight into the buffer of a reply and a fault can be named by its
/// place; Foundation's coder gives a copy and a bare nil.
public enum Base64 {
  /// Appends the base64 text of bytes.
  ///
  /// - Complexity: O(bytes).
  public static func encode(_ bytes: UnsafeRawBufferPointer, into text: inout [UInt8]) {
    let length = (bytes.count + 2) / 3 * 4
    let encoded = [UInt8](unsafeUninitializedCapacity: length) { output, count in
      var next = 0
      for start in stride(from: 0, to: bytes.count - 2, by: 3) {
        let group =
          UInt32(bytes[start]) << 16 | UInt32(bytes[start + 1]) << 8 | UInt32(bytes[start + 2])
        output[next] = alphabet[Int(group >> 18)]
        output[next + 1] = alphabet[Int(group >> 12 & 63)]
        output[next + 2] = alphabet[Int(group >> 6 & 63)]
        output[next + 3] = alphabet[Int(group & 63)]
        next += 4
      }
      let rest = bytes.count % 3
      if rest > 0 {
        let start = bytes.count - rest
        let group = UInt32(bytes[start]) << 16 | (rest == 2 ? UInt32(bytes[start + 1]) << 8 : 0)
        output[next] = alphabet[Int(group >> 18)]
        output[next + 1] = alphabet[Int(group >> 12 & 63)]
        output[next + 2] = rest == 2 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "=")
        output[next + 3] = UInt8(ascii: "=")
      }
      count = length
    }
    text += encoded
  }

  /// The bytes that a base64 text stands for.
  ///
  /// Strict: padding is required, and no other character, white space neither, is passed over.
  ///
  /// - Throws: `TensorError.malformedBase64`.
  /// - Complexity: O(length of the text).
  public static func decode(_ text: String) throws(TensorError) -> [UInt8] {
    let characters = Array(text.utf8)
    guard characters.count % 4 == 0 else {
      throw .malformedBase64(reason: "its length is no multiple of 4", offset: characters.count)
    }
    let padding = characters.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    let significant = characters.count - padding
    var bytes: [UInt8] = []
    bytes.reserveCapacity(characters.count / 4 * 3)
    var group: UInt32 = 0
    for index in 0..<significant {
      let value = values[Int(characters[index])]
      guard value < 64 else {
        throw .malformedBase64(
          reason: "\(printable(characters[index])) is not of its alphabet",
          offset: index
        )
      }
      group = group << 6 | UInt32(value)
      if index % 4 == 3 {
        bytes.append(UInt8(truncatingIfNeeded: group >> 16))
        bytes.append(UInt8(truncatingIfNeeded: group >> 8))
        bytes.append(UInt8(truncatingIfNeeded: group))
        group = 0
      }
    }
    if padding > 0 {
      group <<= UInt32(6 * padding)
      // Bits that no byte takes must be zero, or two texts would stand for the same bytes.
      guard group & (padding == 1 ? 0xff : 0xffff) == 0 else {
        throw .malformedBase64(reason: "the bits left over are not zero", offset: significant - 1)
      }
      bytes.append(UInt8(truncatingIfNeeded: group >> 16))
      if padding == 1 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
    }
    return bytes
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
  )

  /// The value of each character; 255 for those that are not of the alphabet.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()
}
