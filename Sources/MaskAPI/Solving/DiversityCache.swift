// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// The counts of the patterns that requests have asked for, each computed once, or a few times
/// where several threads ask.
///
/// There are at most a few thousand patterns, and a count depends on nothing but its pattern.
final class DiversityCache: Sendable {
  private let tiles = Sharded<[Pattern: MaskCount]>(count: 8, [:])
  private let groups = Sharded<[Pattern: MaskCount]>(count: 8, [:])

  /// The masks of one tile; nil above the largest m that is counted.
  func tile(_ pattern: Pattern) -> MaskCount? {
    if let known = tiles.withLock({ $0[pattern] }) { return known }
    guard let count = try? Diversity.tile(pattern) else { return nil }
    tiles.withLock { $0[pattern] = count }
    return count
  }

  /// The masks of one group.
  func group(_ pattern: Pattern) -> MaskCount {
    if let known = groups.withLock({ $0[pattern] }) { return known }
    let count = Diversity.group(pattern)
    groups.withLock { $0[pattern] = count }
    return count
  }

  /// The masks that keep exactly n in each whole group or tile of a matrix.
  func diversity(of layout: MaskLayout) -> (count: MatrixMaskCount, isExact: Bool)? {
    let specification = layout.specification
    let isRow = specification.structure == .row
    let grouped = try? MatrixDiversity(
      rows: isRow ? layout.rows : layout.groupedRows,
      columns: layout.groupedColumns,
      pattern: specification.pattern
    )
    guard let grouped else { return nil }
    let unit: MaskCount
    let count: MatrixMaskCount?
    switch specification.structure {
    case .row:
      unit = group(specification.pattern)
      count = grouped.row(unit)
    case .column:
      unit = group(specification.pattern)
      count = grouped.column(unit)
    case .transposable:
      guard let tile = tile(specification.pattern) else { return nil }
      unit = tile
      count = grouped.transposable(unit)
    }
    return count.map { ($0, unit.isExact) }
  }
}
