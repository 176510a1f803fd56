// SPDX-License-Identifier: GPL-3.0-or-later

/// The arithmetic in which a tile's dual is kept: float64, or integers where float64 would round.
protocol TileScalar: SignedNumeric, Comparable, Sendable {
  /// Larger than any path length.
  static var unreachable: Self { get }
}

extension Double: TileScalar {
  static var unreachable: Double { .infinity }
}

extension Int128: TileScalar {
  static var unreachable: Int128 { .max }
}

/// A tile's mask beside potentials of its rows and columns.
///
/// The linear programme of a tile is: maximise Σ w_ij x_ij, rows and columns sum to n (or at most n),
/// 0 <= x <= 1. Its dual is: minimise n Σ u_i + n Σ v_j + Σ max(0, w_ij - u_i - v_j), where u, v >= 0
/// under `atMost`. Any potentials bound every mask from above.
struct DualSolution<Scalar: TileScalar> {
  /// m x m magnitudes, row-major.
  let weights: UnsafePointer<Scalar>
  /// Bit j of word i is entry (i, j).
  let kept: UnsafePointer<UInt64>
  let u: UnsafePointer<Scalar>
  let v: UnsafePointer<Scalar>

  /// The dual objective less the score of the mask: what a better mask could gain at most, for a
  /// mask that obeys the constraint.
  ///
  /// The difference is the sum of all violations of complementary slackness: with the reduced cost
  /// r = w - u - v, each entry left out contributes max(0, r), each kept one max(0, -r), and under
  /// `atMost` each row short of n its u for every missing entry, each column its v. All terms are
  /// of one sign, so nothing cancels.
  ///
  /// - Complexity: O(m²).
  func gap(pattern: Pattern, constraint: Constraint) -> Scalar {
    let m = pattern.m
    var gap: Scalar = 0
    for row in 0..<m {
      let bits = kept[row]
      for column in 0..<m {
        let reduced = weights[row * m + column] - u[row] - v[column]
        gap += max(0, bits >> UInt64(column) & 1 == 1 ? 0 - reduced : reduced)
      }
    }
    guard constraint == .atMost else { return gap }
    for index in 0..<m {
      let rowRoom = pattern.n - kept[index].nonzeroBitCount
      let columnRoom = pattern.n - keptCount(inColumn: index, m: m)
      for _ in 0..<rowRoom { gap += u[index] }
      for _ in 0..<columnRoom { gap += v[index] }
    }
    return gap
  }

  private func keptCount(inColumn column: Int, m: Int) -> Int {
    var count = 0
    for row in 0..<m { count += Int(kept[row] >> UInt64(column) & 1) }
    return count
  }
}
