// SPDX-License-Identifier: GPL-3.0-or-later

/// Keeps the entries that are among the n largest of both their row and their column.
///
/// Algorithm 1 of Hubara et al., "Accelerated Sparse Neural Training: A Provable and Efficient
/// Method to Find N:M Transposable Masks" (arXiv 2102.08124): prune from the lightest on while a row
/// or column is short of its m - n pruned entries. What it prunes is the union, over all rows and
/// columns, of their m - n lightest entries, hence this form, which sorts nothing globally. Under
/// `atMost` the pruned sum is at most twice the least possible. Under `exactly` the mask is
/// completed as the greedy one is and no bound is claimed.
///
/// - Complexity: O(m²) for each tile, by selection in each row and column.
final class TwoApproximationSolver: TileSolver {
  let pattern: Pattern
  private let constraint: Constraint
  private let completion: TileCompletion
  private var line: [UInt64]

  init(pattern: Pattern, constraint: Constraint) {
    self.pattern = pattern
    self.constraint = constraint
    completion = TileCompletion(pattern: pattern)
    line = [UInt64](repeating: 0, count: pattern.m)
  }

  func solve(_ tile: Tile) -> Double? {
    let m = pattern.m
    for row in 0..<m {
      for index in largest(tile.keys + row * m, step: 1) { tile.kept[row] |= 1 << UInt64(index) }
    }
    for column in 0..<m {
      var inColumn: UInt64 = 0
      for index in largest(tile.keys + column, step: m) { inColumn |= 1 << UInt64(index) }
      for row in 0..<m where inColumn >> UInt64(row) & 1 == 0 {
        tile.kept[row] &= ~(1 << UInt64(column))
      }
    }
    if constraint == .exactly {
      completion.begin(tile)
      completion.fill(tile)
      completion.complete(tile)
    }
    return nil
  }

  /// The indices of the n largest of a line; of equal entries the lower index.
  private func largest(_ keys: UnsafePointer<UInt64>, step: Int) -> [Int] {
    let (n, m) = (pattern.n, pattern.m)
    for index in 0..<m { line[index] = keys[index * step] }
    line.sort(by: >)
    let threshold = line[n - 1]
    var room = n
    for index in 0..<n where line[index] > threshold { room -= 1 }
    return (0..<m).filter { index in
      let key = keys[index * step]
      if key == threshold, room > 0 {
        room -= 1
        return true
      }
      return key > threshold
    }
  }
}
