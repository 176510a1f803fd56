// SPDX-License-Identifier: GPL-3.0-or-later

/// The first group of a mask that keeps a number of entries its pattern does not allow.
public struct MaskViolation: Sendable, Hashable {
  /// `row` where the group runs along a row, `column` where it runs down a column.
  public let axis: Side
  /// The group's first entry.
  public let row: Int
  public let column: Int
  /// The number of entries that the group keeps.
  public let kept: Int
}

/// What a check of a mask against a pattern found.
public struct MaskValidity: Sendable, Hashable {
  /// The groups looked at: those along rows and those down columns both count.
  public internal(set) var groups = 0
  /// The groups that keep a number the constraint does not allow.
  public internal(set) var violations = 0
  /// The first of them: groups along rows before groups down columns, each in row-major order.
  public internal(set) var firstViolation: MaskViolation?

  public var isValid: Bool { violations == 0 }
}

extension MaskLayout {
  /// Checks every whole group of `mask` against the pattern, counting entry by entry.
  ///
  /// Deliberately shares nothing with the solvers. Entries outside whole groups are not looked at.
  ///
  /// - Complexity: O(rows * columns).
  public func validity(of mask: Mask) -> MaskValidity {
    precondition(mask.rows == rows && mask.columns == columns)
    var validity = MaskValidity()
    let pattern = specification.pattern
    func count(axis: Side, row: Int, column: Int, down: Int, along: Int) {
      var kept = 0
      for step in 0..<pattern.m where mask[row + step * down, column + step * along] { kept += 1 }
      validity.groups += 1
      let isAllowed =
        specification.constraint == .exactly ? kept == pattern.n : kept <= pattern.n
      guard !isAllowed else { return }
      validity.violations += 1
      if validity.firstViolation == nil {
        validity.firstViolation = MaskViolation(axis: axis, row: row, column: column, kept: kept)
      }
    }
    if specification.structure != .column {
      for row in 0..<groupedRows {
        for column in stride(from: 0, to: groupedColumns, by: pattern.m) {
          count(axis: .rows, row: row, column: column, down: 0, along: 1)
        }
      }
    }
    if specification.structure != .row {
      for row in stride(from: 0, to: groupedRows, by: pattern.m) {
        for column in 0..<groupedColumns {
          count(axis: .columns, row: row, column: column, down: 1, along: 0)
        }
      }
    }
    return validity
  }
}
