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
    quote(name, end: UInt8(ascii: ":"))
    needsComma = false
  }

  // MARK: Scalars

  /// Writes null.
  public mutating func null() { literal("null") }

  /// Writes a boolean.
  public mutating func value(_ value: Bool) { literal(value ? "true" : "false") }

  /// Writes a string, escaping only what must be.
  public mutating func value(_ value: String) {
    quote(value)
  }

  /// Writes an integer.
  public mutating func value(_ value: some BinaryInteger) {
    guard let number = Int64(exactly: value) else {
      separate()
      bytes.append(contentsOf: String(value).utf8)
      return
    }
    put(NumberText.maximumLength) { NumberText.write(number, to: $0) }
  }

  /// Writes the shortest number that reads back as this very Double; null if it is not finite.
  public mutating func value(_ value: Double) {
    put(NumberText.maximumLength) { NumberText.write(value, to: $0) }
  }

  /// Writes the shortest number that reads back as this very Float; null if it is not finite.
  public mutating func value(_ value: Float) {
    put(NumberText.maximumLength) { NumberText.write(value, to: $0) }
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

  /// Appends a value of at most `capacity` bytes, of which `write` returns the number.
  private mutating func put(_ capacity: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    let comma = needsComma ? 1 : 0
    bytes.append(addingCapacity: capacity + 1) { span in
      span.withUnsafeMutableBufferPointer { room, count in
        guard let start = room.baseAddress else { return }
        start[count] = UInt8(ascii: ",")
        count += comma + write(start + count + comma)
      }
    }
    needsComma = true
  }

  /// Writes a string, and behind it a byte if there is one to be.
  private mutating func quote(_ text: String, end: UInt8? = nil) {
    var text = text
    text.withUTF8 { utf8 in
      guard !utf8.contains(where: Self.mustEscape) else {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in utf8 { putEscaped(byte) }
        bytes.append(UInt8(ascii: "\""))
        if let end { bytes.append(end) }
        return
      }
      put(utf8.count + 3) { target in
        target[0] = UInt8(ascii: "\"")
        if let source = utf8.baseAddress { (target + 1).update(from: source, count: utf8.count) }
        target[utf8.count + 1] = UInt8(ascii: "\"")
        guard let end else { return utf8.count + 2 }
        target[utf8.count + 2] = end
        return utf8.count + 3
      }
    }
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
