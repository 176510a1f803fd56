// SPDX-License-Identifier: GPL-3.0-or-later

/// A borrowed, contiguous, row-major matrix of `rows` x `columns` elements of `dataType`.
///
/// The view owns nothing: it must not outlive the call that it was made for. Elements need not be
/// aligned.
public struct MatrixView: @unchecked Sendable {
  // Sendable although it holds a pointer: the engine only reads through it, and its callers keep
  // the memory alive and unchanged until every worker has returned.

  /// The first element.
  public let base: UnsafeRawPointer
  public let dataType: DataType
  public let rows: Int
  public let columns: Int

  /// Makes a view of `rows * columns * dataType.byteCount` bytes at `base`.
  public init(base: UnsafeRawPointer, dataType: DataType, rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.base = base
    self.dataType = dataType
    self.rows = rows
    self.columns = columns
  }

  /// Makes a view of the first bytes of a buffer, which may be empty if the matrix is.
  ///
  /// - Precondition: the buffer holds the matrix.
  public init(_ bytes: UnsafeRawBufferPointer, dataType: DataType, rows: Int, columns: Int) {
    precondition(bytes.count >= rows * columns * dataType.byteCount)
    self.init(
      base: bytes.baseAddress ?? Self.nowhere,
      dataType: dataType,
      rows: rows,
      columns: columns
    )
  }

  // Where an empty matrix is: an address that is valid, and never read.
  private nonisolated(unsafe) static let nowhere = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 16)
  )

  /// The distance between the first bytes of two rows.
  public var rowByteCount: Int { columns * dataType.byteCount }

  /// The rows of `range` as a matrix of their own.
  public func rows(_ range: Range<Int>) -> MatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return MatrixView(
      base: base + range.lowerBound * rowByteCount,
      dataType: dataType,
      rows: range.count,
      columns: columns
    )
  }
}
