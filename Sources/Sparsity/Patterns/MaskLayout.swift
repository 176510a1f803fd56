// SPDX-License-Identifier: GPL-3.0-or-later

/// How a specification falls on a matrix of a given shape: its strips, its tiles and its remainder.
///
/// A strip is the smallest piece of a row-major matrix that can be solved alone: `m` whole rows for
/// `transposable` and `column`, one row for `row`. Rows beyond the last whole strip are the tail.
public struct MaskLayout: Sendable, Hashable {
  public let specification: MaskSpecification
  public let rows: Int
  public let columns: Int

  /// Lays `specification` on a `rows` x `columns` matrix.
  ///
  /// - Throws: `SpecificationError.indivisible` where `remainder` is `error` and the group size
  ///   does not divide a side that the structure groups.
  public init(
    _ specification: MaskSpecification,
    rows: Int,
    columns: Int
  ) throws(SpecificationError) {
    precondition(rows >= 0 && columns >= 0)
    self.specification = specification
    self.rows = rows
    self.columns = columns
    guard specification.remainder == .error else { return }
    let m = specification.pattern.m
    if specification.structure != .row, rows % m != 0 {
      throw .indivisible(side: .rows, length: rows, m: m)
    }
    if specification.structure != .column, columns % m != 0 {
      throw .indivisible(side: .columns, length: columns, m: m)
    }
  }

  /// The rows of one strip.
  public var stripHeight: Int {
    specification.structure == .row ? 1 : specification.pattern.m
  }

  /// The number of whole strips.
  public var stripCount: Int { rows / stripHeight }

  /// The rows that belong to whole strips.
  public var groupedRows: Int { stripCount * stripHeight }

  /// The columns that belong to whole tiles or groups.
  public var groupedColumns: Int {
    specification.structure == .column
      ? columns : columns - columns % specification.pattern.m
  }

  /// The bytes of one packed row of the mask.
  public var maskRowByteCount: Int { (columns + 7) / 8 }
}

// MARK: - Bands

extension MaskLayout {
  /// The number of entries that a band holds at least, where the matrix has as many.
  ///
  /// Large enough to hide the cost of handing it to a worker and to fill the kernels' lanes with
  /// tiles that need more than one pass, small enough to stay in a core's cache: 256 KiB of float32,
  /// and up to 1 MiB where tiles are large.
  private var bandEntryCount: Int {
    let m = specification.pattern.m
    return specification.structure == .transposable
      ? Swift.min(Swift.max(65_536, 256 * m * m), 262_144) : 65_536
  }

  /// The rows of one band: a run of strips that one worker solves in one go.
  ///
  /// A function of the shape alone, never of the number of workers, because sums are taken band by
  /// band and must come out the same on every machine.
  public var bandHeight: Int {
    let stripEntries = Swift.max(1, stripHeight * columns)
    return stripHeight * Swift.max(1, bandEntryCount / stripEntries)
  }

  /// The number of bands; the last one may be shorter and holds the tail.
  public var bandCount: Int {
    guard rows > 0 else { return 0 }
    return Swift.max(1, (groupedRows + bandHeight - 1) / bandHeight)
  }

  /// The rows of the band at `index`.
  public func rows(ofBand index: Int) -> Range<Int> {
    precondition(index >= 0 && index < bandCount)
    let start = index * bandHeight
    return start..<(index == bandCount - 1 ? rows : start + bandHeight)
  }
}
