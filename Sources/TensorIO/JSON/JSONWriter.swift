// SPDX-License-Identifier: GPL-3.0-or-later

/// Writes strict, compact JSON into bytes, the values in the order of the calls.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.member("n", 2)
///     writer.name("mask")
///     writer.mask(packedRows: bits, rows: 4, columns: 4)
///     writer.endObject()
///     return writer.bytes
///
/// The writer places commas; that names and values alternate as they must is the caller's part.
public struct JSONWriter: Sendable {
  /// How a matrix is written.
  public enum Layout: Sendable, Hashable {
    /// An array of rows.
    case nested
    /// One array of all entries, row by row.
    case flat
  }

  /// What has been written so far.
  public internal(set) var bytes: [UInt8] = []
  /// Whether a value is in front, in the same container.
  private var needsComma = false

  /// Makes a writer with room for so many bytes.
  ///
  /// With the array's own header, 960 are the most that malloc hands out again at once.
  public init(capacity: Int = 960) {
    bytes.reserveCapacity(capacity)
  }

  // MARK: Structure

  /// Begins an object.
  public mutating func beginObject() { begin(UInt8(ascii: "{")) }
  /// Ends the innermost object.
  public mutating func endObject() { end(UInt8(ascii: "}")) }
  /// Begins an array.
  public mutating func beginArray() { begin(UInt8(ascii: "[")) }
  /// Ends the innermost array.
  public mutating func endArray() { end(UInt8(ascii: "]")) }

  /// Writes the name of the next member.
  public mutating func name(_ name: String) {
    separate()
    quote(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  // MARK: Scalars

  /// Writes null.
  public mutating func null() { literal("null") }

  /// Writes a boolean.
  public mutating func value(_ value: Bool) { literal(value ? "true" : "false") }

  /// Writes a string, escaping only what must be.
  public mutating func value(_ value: String) {
    separate()
    quote(value)
  }

  /// Writes an integer.
  public mutating func value(_ value: some BinaryInteger) {
    separate()
    guard let number = Int64(exactly: value) else {
      bytes.append(contentsOf: String(value).utf8)
      return
    }
    put { NumberText.write(number, to: $0) }
  }

  /// Writes the shortest number that reads back as this very Double; null if it is not finite.
  public mutating func value(_ value: Double) {
    separate()
    put { NumberText.write(value, to: $0) }
  }

  /// Writes the shortest number that reads back as this very Float; null if it is not finite.
  public mutating func value(_ value: Float) {
    separate()
    put { NumberText.write(value, to: $0) }
  }

  /// Writes bytes as a base64 string.
  public mutating func base64(_ value: UnsafeRawBufferPointer) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    Base64.encode(value, into: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  // MARK: Members

  /// Writes a member of an object.
  public mutating func member(_ name: String, _ value: Bool) {
    self.name(name)
    self.value(value)
  }

  /// Writes a member of an object; null in place of nil.
  public mutating func member(_ name: String, _ value: String?) {
    self.name(name)
    if let value { self.value(value) } else { null() }
  }

  /// Writes a member of an object.
  public mutating func member(_ name: String, _ value: some BinaryInteger) {
    self.name(name)
    self.value(value)
  }

  /// Writes a member of an object; null in place of nil and of what is not finite.
  public mutating func member(_ name: String, _ value: Double?) {
    self.name(name)
    if let value { self.value(value) } else { null() }
  }

  /// Writes a member whose value is an array of integers.
  public mutating func member(_ name: String, _ values: [Int]) {
    self.name(name)
    beginArray()
    for value in values { self.value(value) }
    endArray()
  }

  // MARK: Parts

  /// Writes the comma between two values, or notes that the next value needs one.
  mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func begin(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func end(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func literal(_ text: StaticString) {
    separate()
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    )
  }

  /// Appends the text of a number, of which `write` returns the length.
  private mutating func put(_ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.maximumLength) { text in
      guard let start = text.baseAddress else { return }
      let length = write(start)
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[..<length]))
    }
  }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { utf8 in
      if utf8.contains(where: Self.mustEscape) {
        for byte in utf8 { putEscaped(byte) }
      } else {
        bytes.append(contentsOf: utf8)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func mustEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func putEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(byte)
    case 0..<0x20:
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(UInt8(ascii: "0") + byte >> 4)
      bytes.append(Array("0123456789abcdef".utf8)[Int(byte & 15)])
    default: bytes.append(byte)
    }
  }
}
