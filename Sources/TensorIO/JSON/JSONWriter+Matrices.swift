// SPDX-License-Identifier: GPL-3.0-or-later

public import Sparsity

extension JSONWriter {
  /// How the entries of a mask are written.
  public enum MaskEntry: Sendable, Hashable {
    /// 0 and 1.
    case digit
    /// false and true.
    case word
  }

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

  /// Writes a matrix of elements of any type, by the shortest text from which each comes back.
  ///
  /// - Parameter elements: At least `rows * columns` little-endian elements, row by row, which
  ///   need not be aligned; those that are not finite become null.
  /// - Complexity: O(entries).
  public mutating func matrix(
    _ elements: UnsafeRawBufferPointer,
    dataType: DataType,
    rows: Int,
    columns: Int,
    layout: Layout = .nested
  ) {
    let size = dataType.byteCount
    precondition(elements.count >= rows * columns * size)
    lists(rows: rows, columns: columns, layout: layout) { index, text in
      let element = UnsafeRawPointer(elements.baseAddress.unsafelyUnwrapped + index * size)
      switch dataType {
      case .float64:
        return NumberText.write(dataType.double(at: element), to: text)
      case .float32, .float16, .bfloat16:
        // Float holds all three, and a text that finds the Float finds the narrower one too.
        return NumberText.write(Float(dataType.double(at: element)), to: text)
      case .int64:
        return NumberText.write(
          Int64(littleEndian: element.loadUnaligned(as: Int64.self)),
          to: text
        )
      case .int8, .uint8, .int16, .int32:
        return NumberText.write(Int64(dataType.double(at: element)), to: text)
      }
    }
  }

  /// Writes a mask as a matrix.
  ///
  /// - Parameter packedRows: `BitPacking`'s packed rows.
  /// - Complexity: O(entries), four digits at a time.
  public mutating func mask(
    packedRows: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int,
    layout: Layout = .nested,
    entry: MaskEntry = .digit
  ) {
    let rowBytes = BitPacking.rowByteCount(columns: columns)
    precondition(packedRows.count >= rows * rowBytes)
    let entryLength = entry == .digit ? 2 : 6
    beginArray()
    bytes.reserveCapacity(bytes.count + rows * (entryLength * columns + 2) + 1)
    // The text of one row, with a comma behind each entry; the last store may spill over.
    var line = [UInt8](repeating: 0, count: 8 * entryLength * rowBytes + 8)
    for row in 0..<rows {
      let bits = UnsafeRawBufferPointer(rebasing: packedRows[(row * rowBytes)...].prefix(rowBytes))
      let length = line.withUnsafeMutableBytes { line in
        entry == .digit
          ? writeDigits(bits, columns: columns, to: line)
          : writeWords(bits, columns: columns, to: line)
      }
      if layout == .nested { beginArray() }
      if columns > 0 {
        separate()
        bytes.append(contentsOf: line[..<(length - 1)])
      }
      if layout == .nested { endArray() }
    }
    endArray()
  }

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
}

/// Writes `0,` or `1,` for each bit of a row; four are one word.
private func writeDigits(
  _ bits: UnsafeRawBufferPointer,
  columns: Int,
  to line: UnsafeMutableRawBufferPointer
) -> Int {
  for (index, byte) in bits.enumerated() {
    let low = fourDigits(UInt64(byte & 15)).littleEndian
    let high = fourDigits(UInt64(byte >> 4)).littleEndian
    line.storeBytes(of: low, toByteOffset: 16 * index, as: UInt64.self)
    line.storeBytes(of: high, toByteOffset: 16 * index + 8, as: UInt64.self)
  }
  return 2 * columns
}

/// Writes `false,` or `true,` for each bit of a row, each as one word of which some bytes count.
private func writeWords(
  _ bits: UnsafeRawBufferPointer,
  columns: Int,
  to line: UnsafeMutableRawBufferPointer
) -> Int {
  var length = 0
  for column in 0..<columns {
    let isKept = bits[column / 8] >> UInt8(column % 8) & 1 == 1
    let word: UInt64 = isKept ? 0x2c_6575_7274 : 0x2c65_736c_6166
    line.storeBytes(of: word.littleEndian, toByteOffset: length, as: UInt64.self)
    length += isKept ? 5 : 6
  }
  return length
}

/// The text `a,b,c,d,` of four bits, as a little-endian word.
@inline(__always)
private func fourDigits(_ bits: UInt64) -> UInt64 {
  let ones = bits & 1 | (bits & 2) << 15 | (bits & 4) << 30 | (bits & 8) << 45
  return 0x2c30_2c30_2c30_2c30 | ones
}
