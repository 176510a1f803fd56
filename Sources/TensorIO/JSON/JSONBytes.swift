// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether a byte is white space of JSON.
@inline(__always)
func isWhitespace(_ byte: UInt8) -> Bool {
  byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
}

/// Whether a byte can begin a number.
@inline(__always)
func isNumberStart(_ byte: UInt8) -> Bool {
  byte &- 48 <= 9 || byte == UInt8(ascii: "-")
}

/// Whether the four bytes at `pointer` are those of a little-endian word.
@inline(__always)
func isWord(
  _ word: UInt32,
  at pointer: UnsafePointer<UInt8>,
  end: UnsafePointer<UInt8>
) -> Bool {
  end - pointer >= 4
    && UInt32(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self)) == word
}

/// Whether a byte stands for itself in a string, alone.
@inline(__always)
func isPlain(_ byte: UInt8) -> Bool {
  byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
}

/// Whether a byte can be part of a number.
func isNumberByte(_ byte: UInt8) -> Bool {
  isNumberStart(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "+")
    || byte | 0x20 == UInt8(ascii: "e")
}

/// The value of a hexadecimal digit.
func hexadecimal(_ byte: UInt8) -> UInt32? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
  default: nil
  }
}

/// A byte as a user can read it.
func printable(_ byte: UInt8) -> String {
  if (0x21...0x7e).contains(byte) { return "'\(UnicodeScalar(byte))'" }
  let hex = String(byte, radix: 16)
  return "the byte 0x\(hex.count == 1 ? "0" : "")\(hex)"
}
