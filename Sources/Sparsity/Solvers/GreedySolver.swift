// SPDX-License-Identifier: GPL-3.0-or-later

/// Largest first: an entry is kept while its row and its column have room.
///
/// Under `atMost` the score is at least half the optimum. The rule can stop short of n; under
/// `exactly` the mask is then completed (`TileCompletion`) and no bound is claimed. Among equal
/// entries the one that comes first in row-major order is tried first.
///
/// The rule is the one that Hubara et al. ship for transposable masks (arXiv 2102.08124, the
/// authors' code); the bound is the rank quotient of two intersected partition matroids.
///
/// - Complexity: O(m² log m) for each tile.
final class GreedySolver: TileSolver {
  let pattern: Pattern
  private let constraint: Constraint
  private let completion: TileCompletion

  init(pattern: Pattern, constraint: Constraint) {
    self.pattern = pattern
    self.constraint = constraint
    completion = TileCompletion(pattern: pattern)
  }

  func solve(_ tile: Tile) -> Double? {
    completion.begin(tile)
    completion.fill(tile)
    if constraint == .exactly { completion.complete(tile) }
    return nil
  }
}
