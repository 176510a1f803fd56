// SPDX-License-Identifier: GPL-3.0-or-later

/// The magnitudes of one m x m tile, row-major, and scratch for its mask.
///
/// A tile is filled again and again: no memory is allocated for each.
final class Tile {
  let m: Int
  /// |w|, as float64.
  let weights: UnsafeMutablePointer<Double>
  /// Numbers that order the weights exactly, also where float64 rounds them.
  let keys: UnsafeMutablePointer<UInt64>
  /// The mask: bit j of word i is entry (i, j).
  let kept: UnsafeMutablePointer<UInt64>
  /// Whether `keys` are integer magnitudes that `weights` had to round.
  private(set) var isRounded = false

  init(m: Int) {
    precondition(m <= 64, "a row of the mask is one word")
    self.m = m
    weights = .allocate(capacity: m * m)
    keys = .allocate(capacity: m * m)
    kept = .allocate(capacity: m)
    weights.initialize(repeating: 0, count: m * m)
    keys.initialize(repeating: 0, count: m * m)
    kept.initialize(repeating: 0, count: m)
  }

  deinit {
    weights.deallocate()
    keys.deallocate()
    kept.deallocate()
  }

  /// Fills the tile from the columns `column..<column + m` of a strip of m rows and clears the mask.
  func load(_ strip: MatrixView, column: Int) {
    isRounded = strip.dataType.accept(TileLoader(tile: self, strip: strip, column: column))
    kept.update(repeating: 0, count: m)
  }

  /// The sum of the kept magnitudes, row by row.
  var keptMagnitude: Double {
    var sum = 0.0
    for row in 0..<m {
      var bits = kept[row]
      while bits != 0 {
        sum += weights[row * m + bits.trailingZeroBitCount]
        bits &= bits &- 1
      }
    }
    return sum
  }

  /// The sum of all magnitudes, row by row.
  var totalMagnitude: Double {
    var sum = 0.0
    for index in 0..<(m * m) { sum += weights[index] }
    return sum
  }

  /// Whether the mask keeps n, or at most n, in each row and column.
  func obeys(_ pattern: Pattern, _ constraint: Constraint) -> Bool {
    func isAllowed(_ count: Int) -> Bool {
      constraint == .exactly ? count == pattern.n : count <= pattern.n
    }
    return (0..<m).allSatisfy { index in
      var inColumn = 0
      for row in 0..<m { inColumn += Int(kept[row] >> UInt64(index) & 1) }
      return isAllowed(kept[index].nonzeroBitCount) && isAllowed(inColumn)
    }
  }

  /// The number of entries kept.
  var keptCount: Int {
    var count = 0
    for row in 0..<m { count += kept[row].nonzeroBitCount }
    return count
  }
}

private struct TileLoader: MatrixVisitor {
  let tile: Tile
  let strip: MatrixView
  let column: Int

  func visit<Element: MatrixElement>(_ type: Element.Type) -> Bool {
    let m = tile.m
    var largestKey: UInt64 = 0
    for row in 0..<m {
      let base =
        strip.base + row * strip.rowByteCount + column * MemoryLayout<Element>.size
      for index in 0..<m {
        let element = base.loadUnaligned(
          fromByteOffset: index * MemoryLayout<Element>.size,
          as: type
        )
        tile.weights[row * m + index] = element.absoluteDouble
        tile.keys[row * m + index] = element.orderingKey
        largestKey = max(largestKey, element.orderingKey)
      }
    }
    return type is Int64.Type && largestKey > 1 << 53
  }
}

/// A method that solves one tile at a time.
protocol TileSolver: AnyObject {
  var pattern: Pattern { get }

  /// Writes the mask of a loaded tile into `tile.kept`.
  ///
  /// - Returns: an upper bound on what another mask could score above this one; nil without one.
  func solve(_ tile: Tile) throws(SolveError) -> Double?
}

/// Cuts a strip into tiles and has each solved.
final class TileStripSolver<Solver: TileSolver>: MaskSolver {
  private let solver: Solver
  private let tile: Tile

  init(_ solver: Solver) {
    self.solver = solver
    tile = Tile(m: solver.pattern.m)
  }

  func solve(
    _ strip: MatrixView,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    let m = tile.m
    var outcome = MaskOutcome()
    for column in stride(from: 0, to: columns, by: m) {
      tile.load(strip, column: column)
      var tileOutcome = MaskOutcome()
      tileOutcome.gap = try solver.solve(tile)
      tileOutcome.kept = tile.keptCount
      tileOutcome.keptMagnitude = tile.keptMagnitude
      tileOutcome.totalMagnitude = tile.totalMagnitude
      outcome += tileOutcome
      for row in 0..<m { mask.write(tile.kept[row], count: m, row: row, column: column) }
    }
    return outcome
  }
}
