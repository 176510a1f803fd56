// SPDX-License-Identifier: GPL-3.0-or-later

/// How many masks a constraint allows for a whole matrix.
public struct MatrixMaskCount: Sendable, Hashable {
  /// The binary logarithm of the number of masks: zero for a matrix without entries.
  public let log2: Double
  /// `log2` per entry of the matrix: zero for a matrix without entries.
  public let bitsPerWeight: Double

  /// `log2` of the number of masks of `total` entries.
  init(log2: Double, total: Int) {
    self.log2 = log2
    bitsPerWeight = total == 0 ? 0 : log2 / Double(total)
  }

  /// The masks of `units` groups or tiles, each chosen on its own.
  init(_ unit: MaskCount, units: Int, unitSize: Int) {
    log2 = Double(units) * unit.log2
    // Not through the size of the matrix, so that all sizes agree to the last bit.
    bitsPerWeight = units == 0 ? 0 : unit.log2 / Double(unitSize)
  }
}

/// Why a matrix has no diversity.
public enum DiversityError: Error, Sendable, Hashable {
  /// A side is negative.
  case negativeSide(Int)
  /// `rows` x `columns` is beyond 2^63 - 1.
  case tooManyEntries(rows: Int, columns: Int)
}

/// The number of masks of a `rows` x `columns` matrix that a pattern allows, by structure.
public struct MatrixDiversity: Sendable, Hashable {
  public let rows: Int
  public let columns: Int
  public let pattern: Pattern

  /// - Throws: `DiversityError` if `rows` x `columns` is not a size.
  public init(rows: Int, columns: Int, pattern: Pattern) throws(DiversityError) {
    for side in [rows, columns] where side < 0 { throw .negativeSide(side) }
    guard !rows.multipliedReportingOverflow(by: columns).overflow else {
      throw .tooManyEntries(rows: rows, columns: columns)
    }
    self.rows = rows
    self.columns = columns
    self.pattern = pattern
  }

  /// The number of entries.
  public var total: Int { rows * columns }

  /// The masks that keep floor(`total` x n / m) entries anywhere.
  ///
  /// - Complexity: O(1): to a relative error below 1e-14 in `log2`, at any size.
  public var unstructured: MatrixMaskCount {
    let product = total.multipliedFullWidth(by: pattern.n)
    let kept = pattern.m.dividingFullWidth(product).quotient
    return MatrixMaskCount(log2: log2BinomialCoefficient(total, kept), total: total)
  }

  /// The masks that keep n in each group along a row, or nil unless m divides the columns.
  ///
  /// - Parameter group: `Diversity.group(pattern)`.
  public func row(_ group: MaskCount) -> MatrixMaskCount? {
    guard columns.isMultiple(of: pattern.m) else { return nil }
    return MatrixMaskCount(group, units: total / pattern.m, unitSize: pattern.m)
  }

  /// The masks that keep n in each group down a column, or nil unless m divides the rows.
  ///
  /// - Parameter group: `Diversity.group(pattern)`.
  public func column(_ group: MaskCount) -> MatrixMaskCount? {
    guard rows.isMultiple(of: pattern.m) else { return nil }
    return MatrixMaskCount(group, units: total / pattern.m, unitSize: pattern.m)
  }

  /// The masks that keep n in each row and column of each tile, or nil unless m divides both sides.
  ///
  /// - Parameter tile: `Diversity.tile(pattern)`, or `paperTile` for the paper's formula.
  public func transposable(_ tile: MaskCount) -> MatrixMaskCount? {
    guard rows.isMultiple(of: pattern.m), columns.isMultiple(of: pattern.m) else { return nil }
    let unitSize = pattern.m * pattern.m
    return MatrixMaskCount(tile, units: total / unitSize, unitSize: unitSize)
  }
}
