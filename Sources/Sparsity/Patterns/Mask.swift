// SPDX-License-Identifier: GPL-3.0-or-later

/// A 0/1 matrix of `rows` x `columns`, one bit an entry.
///
/// Each row starts on a byte of its own, and bit `j % 8` of byte `j / 8` is column `j`, so that
/// strips can be written by different threads. Bits beyond the last column are zero.
public struct Mask: Sendable, Hashable {
  public let rows: Int
  public let columns: Int
  /// `rows` rows of `rowByteCount` bytes.
  public var bytes: [UInt8]

  /// The bytes of one row.
  public var rowByteCount: Int { (columns + 7) / 8 }

  /// Makes a mask that keeps nothing.
  public init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.rows = rows
    self.columns = columns
    bytes = [UInt8](repeating: 0, count: rows * ((columns + 7) / 8))
  }

  /// Makes a mask of packed rows.
  ///
  /// - Precondition: `bytes` are `rows` rows of `(columns + 7) / 8` bytes.
  public init(rows: Int, columns: Int, bytes: [UInt8]) {
    precondition(rows >= 0 && columns >= 0 && bytes.count == rows * ((columns + 7) / 8))
    self.rows = rows
    self.columns = columns
    self.bytes = bytes
  }

  /// Whether the entry is kept.
  public subscript(row: Int, column: Int) -> Bool {
    get {
      precondition(column < columns)
      return bytes[row * rowByteCount + column / 8] >> UInt8(column % 8) & 1 == 1
    }
    set {
      precondition(column < columns)
      let bit = UInt8(1) << UInt8(column % 8)
      if newValue {
        bytes[row * rowByteCount + column / 8] |= bit
      } else {
        bytes[row * rowByteCount + column / 8] &= ~bit
      }
    }
  }

  /// The number of kept entries.
  ///
  /// - Complexity: O(rows * columns / 8).
  public var keptCount: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }
}

/// A borrowed, writable run of packed mask rows, laid out as in `Mask`.
public struct MaskRows {
  /// The first byte of the first row.
  public let base: UnsafeMutablePointer<UInt8>
  /// The distance between two rows.
  public let rowByteCount: Int

  /// Makes a view of rows that the caller owns and keeps alive during the call.
  public init(base: UnsafeMutablePointer<UInt8>, rowByteCount: Int) {
    self.base = base
    self.rowByteCount = rowByteCount
  }

  /// The rows from `row` on.
  func advanced(by row: Int) -> MaskRows {
    MaskRows(base: base + row * rowByteCount, rowByteCount: rowByteCount)
  }

  /// Sets `count` bits of a row to the low bits of `bits`, from column `column` on.
  ///
  /// Bits that are set already stay set: rows start as zeros and each entry is written once.
  @inline(__always)
  func write(_ bits: UInt64, count: Int, row: Int, column: Int) {
    var byte = base + row * rowByteCount + column / 8
    let shift = column % 8
    byte.pointee |= UInt8(truncatingIfNeeded: bits << UInt64(shift))
    var written = 8 - shift
    while written < count {
      byte += 1
      byte.pointee |= UInt8(truncatingIfNeeded: bits >> UInt64(written))
      written += 8
    }
  }
}
