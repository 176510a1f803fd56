// SPDX-License-Identifier: GPL-3.0-or-later

/// A group, or a whole tile, in which a mask finds fewer entries than it must keep.
public struct ShortGroup: Sendable, Hashable {
  /// `rows` where the group runs along a row, `columns` where it runs down a column; nil for a
  /// tile of which every group has enough entries, but not so that all can be served at once.
  public let axis: Side?
  /// The first entry.
  public let row: Int
  public let column: Int
  /// The entries that may be kept.
  public let allowed: Int
}

/// Why no mask of a pattern keeps within the entries that are allowed.
public enum RestrictionError: Error, Sendable, Hashable {
  case short(ShortGroup)
  case solve(SolveError)
}

extension MaskLayout {
  /// Changes a mask so that it keeps allowed entries only.
  ///
  /// `solution` is a mask of the pattern for `scores`, which are zero where entries are not allowed.
  /// Under `at_most` those entries can simply be dropped: they add nothing. Under `exactly` the
  /// tiles, or groups, that keep one are solved again with a bonus on each allowed entry, larger than
  /// all scores of the tile together, so that as many of them as possible are kept, and among such
  /// masks the one of the largest score. Those tiles are solved exactly whatever the method is.
  ///
  /// The certificate covers the restricted masks: what the bonus rounds off is added to the gap.
  ///
  /// - Throws: `RestrictionError.short` for the first tile or group without such a mask.
  /// - Complexity: O(rows * columns), and solving the tiles in conflict.
  public func restrict(
    _ solution: Solution,
    scores: MatrixView,
    to allowed: Mask
  ) throws(RestrictionError) -> Solution {
    precondition(allowed.rows == rows && allowed.columns == columns)
    var conflicts = Mask(rows: rows, columns: columns)
    var mask = solution.mask
    for index in mask.bytes.indices {
      conflicts.bytes[index] = mask.bytes[index] & ~allowed.bytes[index]
      mask.bytes[index] &= allowed.bytes[index]
    }
    guard conflicts.bytes.contains(where: { $0 != 0 }) else { return solution }
    var outcome = MaskOutcome()
    outcome.keptMagnitude = solution.keptMagnitude
    outcome.totalMagnitude = solution.totalMagnitude
    outcome.gap = solution.certificate.map { $0.relativeGap * $0.upperBound }
    if specification.constraint == .exactly {
      let units = units.filter { $0.contains(conflicts) }
      for unit in units {
        if let short = shortGroup(in: unit, allowed) { throw .short(short) }
      }
      let gap = try solve(units, scores, allowed, into: &mask)
      outcome.gap = outcome.gap.map { $0 + gap }
      outcome.keptMagnitude = scores.magnitudes(keptBy: mask).kept
    }
    outcome.kept = mask.keptCount
    do throws(SolveError) {
      return try Solution(layout: self, mask: mask, outcomes: [outcome])
    } catch {
      throw .solve(error)
    }
  }

  /// The groups that have fewer allowed entries than the pattern keeps, and the first of them:
  /// groups along rows before groups down columns, each in row-major order.
  ///
  /// - Complexity: O(rows * columns).
  public func shortGroups(of allowed: Mask) -> (count: Int, first: ShortGroup?) {
    var count = 0
    var first: ShortGroup?
    for axis in [Side.rows, Side.columns] where has(axis) {
      let height = axis == .rows ? 1 : specification.pattern.m
      let width = axis == .rows ? specification.pattern.m : 1
      for unit in units(height: height, width: width) {
        let found = unit.count(allowed)
        guard found < specification.pattern.n else { continue }
        count += 1
        if first == nil {
          first = ShortGroup(axis: axis, row: unit.row, column: unit.column, allowed: found)
        }
      }
    }
    return (count, first)
  }

  // MARK: Units

  /// A tile, or a group of a structure that has no tiles.
  private struct Unit {
    let row: Int
    let column: Int
    let height: Int
    let width: Int

    func count(_ mask: Mask) -> Int {
      var count = 0
      for row in row..<(row + height) {
        for column in column..<(column + width) where mask[row, column] { count += 1 }
      }
      return count
    }

    func contains(_ mask: Mask) -> Bool { count(mask) > 0 }
  }

  private var isTiled: Bool { specification.structure == .transposable }

  private func has(_ axis: Side) -> Bool {
    specification.structure != (axis == .rows ? .column : .row)
  }

  /// The pieces that are solved apart from each other.
  private var units: [Unit] {
    units(
      height: specification.structure == .row ? 1 : specification.pattern.m,
      width: specification.structure == .column ? 1 : specification.pattern.m
    )
  }

  private func units(height: Int, width: Int) -> [Unit] {
    var units: [Unit] = []
    for row in stride(from: 0, to: groupedRows, by: height) {
      for column in stride(from: 0, to: groupedColumns, by: width) {
        units.append(Unit(row: row, column: column, height: height, width: width))
      }
    }
    return units
  }

  private func shortGroup(in unit: Unit, _ allowed: Mask) -> ShortGroup? {
    func find(_ axis: Side, _ groups: [Unit]) -> ShortGroup? {
      for group in groups {
        let count = group.count(allowed)
        if count < specification.pattern.n {
          return ShortGroup(axis: axis, row: group.row, column: group.column, allowed: count)
        }
      }
      return nil
    }
    let alongRows = (0..<unit.height).map {
      Unit(row: unit.row + $0, column: unit.column, height: 1, width: unit.width)
    }
    let downColumns = (0..<unit.width).map {
      Unit(row: unit.row, column: unit.column + $0, height: unit.height, width: 1)
    }
    return (has(.rows) ? find(.rows, alongRows) : nil)
      ?? (has(.columns) ? find(.columns, downColumns) : nil)
  }

  // MARK: Solving

  /// Solves units within what is allowed, and returns how far from the best they may be.
  private func solve(
    _ units: [Unit],
    _ scores: MatrixView,
    _ allowed: Mask,
    into mask: inout Mask
  ) throws(RestrictionError) -> Double {
    let (n, m) = (specification.pattern.n, specification.pattern.m)
    // Tiles one below the other; groups as rows, whichever way they run.
    let unitRows = isTiled ? m : 1
    let kept = n * unitRows
    // Scaled scores are below 2, so those of a mask are together below half of this.
    let bonus = Double(sign: .plus, exponent: Double(4 * kept).exponentRoundedUp, significand: 1)
    var matrix: [Double] = []
    var rounding = 0.0
    var largestUnit = 0.0
    for unit in units {
      let entries = self.entries(of: unit)
      let largest =
        entries.map { allowed[$0.row, $0.column] ? scores.magnitude($0.row, $0.column) : 0 }
        .max() ?? 0
      let exponent = largest > 0 ? Int(largest.exponent) : 0
      var isExact = true
      for entry in entries {
        guard allowed[entry.row, entry.column] else {
          matrix.append(0)
          continue
        }
        let scaled = Double(
          sign: .plus,
          exponent: -exponent,
          significand: scores.magnitude(entry.row, entry.column)
        )
        let value = scaled + bonus
        isExact = isExact && value - bonus == scaled
        matrix.append(value)
      }
      let size = Double(sign: .plus, exponent: exponent, significand: 1)
      largestUnit = max(largestUnit, size)
      if !isExact { rounding += Double(kept) * bonus.ulp * size }
    }
    let solution = try self.solution(of: matrix, rows: units.count * unitRows)
    for (index, unit) in units.enumerated() {
      for (place, entry) in entries(of: unit).enumerated() {
        let (row, column) = place.quotientAndRemainder(dividingBy: m)
        let isKept = solution.mask[index * unitRows + row, column]
        guard !isKept || allowed[entry.row, entry.column] else {
          throw .short(
            ShortGroup(
              axis: nil,
              row: unit.row,
              column: unit.column,
              allowed: unit.count(allowed)
            )
          )
        }
        mask[entry.row, entry.column] = isKept
      }
    }
    let gap = solution.certificate.map { $0.relativeGap * $0.upperBound } ?? 0
    return gap * largestUnit + rounding
  }

  private func entries(of unit: Unit) -> [(row: Int, column: Int)] {
    var entries: [(row: Int, column: Int)] = []
    for row in unit.row..<(unit.row + unit.height) {
      for column in unit.column..<(unit.column + unit.width) { entries.append((row, column)) }
    }
    return entries
  }

  private func solution(
    of matrix: [Double],
    rows: Int
  ) throws(RestrictionError) -> Solution {
    let layout: MaskLayout
    do throws(SpecificationError) {
      let specification = try MaskSpecification(
        pattern: self.specification.pattern,
        structure: isTiled ? .transposable : .row
      )
      layout = try MaskLayout(specification, rows: rows, columns: specification.pattern.m)
    } catch {
      throw .solve(.solverFailed(detail: "a pattern that was allowed is not: \(error)"))
    }
    let result = matrix.withUnsafeBytes { bytes in
      Result { () throws(SolveError) in
        try layout.solve(
          MatrixView(bytes, dataType: .float64, rows: rows, columns: layout.columns)
        )
      }
    }
    do throws(SolveError) {
      return try result.get()
    } catch {
      throw .solve(error)
    }
  }
}

extension Double {
  /// The exponent of the smallest power of two that is not below the number.
  fileprivate var exponentRoundedUp: Int { Int(exponent) + (significand == 1 ? 0 : 1) }
}
