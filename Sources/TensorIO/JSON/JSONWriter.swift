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
  public private(set) var bytes: [UInt8] = []
  /// Whether a value is in front, in the same container.
  private var needsComma = false

  /// Makes a writer with room for so many bytes.
  public init(capacity: Int = 1024) {
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
    bytes.append(contentsOf: String(value).utf8)
  }

  /// Writes the shortest number that reads back as this very Double; null if it is not finite.
  public mutating func value(_ value: Double) {
    separate()
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.maximumLength) { text in
      guard let start = text.baseAddress else { return }
      let length = NumberText.write(value, to: start)
      bytes.append(contentsOf: text[..<length])
    }
  }

  /// Writes the shortest number that reads back as this very Float; null if it is not finite.
  public mutating func value(_ value: Float) {
    separate()
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.maximumLength) { text in
      guard let start = text.baseAddress else { return }
      let length = NumberText.write(value, to: start)
      bytes.append(contentsOf: text[..<length])
    }
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

  // MARK: Matrices

  /// Writes a matrix of Doubles, of which those that are not finite become null.
  ///
  /// - Parameter values: At least `rows * columns` values, row by row.
  /// - Complexity: O(entries).
  public mutating func matrix(
    _ values: UnsafeBufferPointer<Double>,
    rows: Int,
    columns: Int,
    layout: Layout = .nested
  ) {
    precondition(values.count >= rows * columns)
    lists(rows: rows, columns: columns, layout: layout) { index, text in
      NumberText.write(values[index], to: text)
    }
  }

  /// Writes a matrix of Floats, of which those that are not finite become null.
  ///
  /// - Parameter values: At least `rows * columns` values, row by row.
  /// - Complexity: O(entries).
  public mutating func matrix(
    _ values: UnsafeBufferPointer<Float>,
    rows: Int,
    columns: Int,
    layout: Layout = .nested
  ) {
    precondition(values.count >= rows * columns)
    lists(rows: rows, columns: columns, layout: layout) { index, text in
      NumberText.write(values[index], to: text)
    }
  }

  /// Writes a mask as a matrix of 0 and 1.
  ///
  /// - Parameter packedRows: `BitPacking`'s packed rows.
  /// - Complexity: O(entries), four at a time.
  public mutating func mask(
    packedRows: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int,
    layout: Layout = .nested
  ) {
    let rowBytes = BitPacking.rowByteCount(columns: columns)
    precondition(packedRows.count >= rows * rowBytes)
    beginArray()
    bytes.reserveCapacity(bytes.count + rows * (2 * columns + 2) + 1)
    // Text of one row: four entries with their commas are one word.
    var line = [UInt8](repeating: 0, count: 16 * rowBytes)
    for row in 0..<rows {
      line.withUnsafeMutableBytes { line in
        for index in 0..<rowBytes {
          let bits = UInt64(packedRows[row * rowBytes + index])
          line.storeBytes(
            of: fourDigits(bits & 15).littleEndian,
            toByteOffset: 16 * index,
            as: UInt64.self
          )
          line.storeBytes(
            of: fourDigits(bits >> 4).littleEndian,
            toByteOffset: 16 * index + 8,
            as: UInt64.self
          )
        }
      }
      if layout == .nested { beginArray() }
      if columns > 0 {
        separate()
        bytes.append(contentsOf: line[..<(2 * columns - 1)])
      }
      if layout == .nested { endArray() }
    }
    endArray()
  }

  // MARK: Parts

  /// Writes the text of every entry; `write` returns the length of that of one.
  @inline(__always)
  private mutating func lists(
    rows: Int,
    columns: Int,
    layout: Layout,
    _ write: (Int, UnsafeMutablePointer<UInt8>) -> Int
  ) {
    beginArray()
    for row in 0..<rows {
      if layout == .nested { beginArray() }
      // Text gathers here, so that the bytes grow once in 128 entries.
      withUnsafeTemporaryAllocation(
        of: UInt8.self,
        capacity: 128 * (NumberText.maximumLength + 1)
      ) { text in
        guard let start = text.baseAddress else { return }
        for first in stride(from: 0, to: columns, by: 128) {
          separate()
          var end = start
          for column in first..<min(first + 128, columns) {
            end += write(row * columns + column, end)
            end.pointee = UInt8(ascii: ",")
            end += 1
          }
          bytes.append(contentsOf: text[..<(end - start - 1)])
        }
      }
      if layout == .nested { endArray() }
    }
    endArray()
  }

  private mutating func separate() {
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

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
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
    bytes.append(UInt8(ascii: "\""))
  }
}

/// The text `a,b,c,d,` of four bits, as a little-endian word.
@inline(__always)
private func fourDigits(_ bits: UInt64) -> UInt64 {
  let ones = bits & 1 | (bits & 2) << 15 | (bits & 4) << 30 | (bits & 8) << 45
  return 0x2c30_2c30_2c30_2c30 | ones
}
