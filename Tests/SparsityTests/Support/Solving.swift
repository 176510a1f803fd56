// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights

@testable import Sparsity

/// A small matrix with what is needed to solve it.
struct Problem: CustomStringConvertible {
  var values: [Double]
  var rows: Int
  var columns: Int

  init(_ rows: [[Double]]) {
    values = rows.flatMap { $0 }
    self.rows = rows.count
    columns = rows.first?.count ?? 0
  }

  init(_ kind: WeightKind, rows: Int, columns: Int, seed: UInt64) {
    values = kind.matrix(rows: rows, columns: columns, seed: seed).map(Double.init)
    self.rows = rows
    self.columns = columns
  }

  var transposed: Problem {
    var result = self
    (result.rows, result.columns) = (columns, rows)
    result.values = (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
    return result
  }

  var description: String {
    (0..<rows).map { "\(values[($0 * columns)..<(($0 + 1) * columns)])" }.joined(separator: "\n")
  }

  func solve(
    _ n: Int,
    _ m: Int,
    structure: Structure = .transposable,
    constraint: Sparsity.Constraint = .exactly,
    method: MaskMethod = .exact,
    remainder: Remainder = .error
  ) throws -> Solution {
    try values.withUnsafeBytes { bytes in
      let specification = try MaskSpecification(
        pattern: Pattern(n: n, m: m),
        structure: structure,
        constraint: constraint,
        method: method,
        remainder: remainder
      )
      let layout = try MaskLayout(specification, rows: rows, columns: columns)
      return try layout.solve(
        MatrixView(bytes, dataType: .float64, rows: rows, columns: columns)
      )
    }
  }

  /// The sum of the magnitudes that `mask` keeps.
  func score(_ mask: Mask) -> Double {
    var sum = 0.0
    for row in 0..<rows {
      for column in 0..<columns where mask[row, column] {
        sum += abs(values[row * columns + column])
      }
    }
    return sum
  }

  /// The best score of one tile by trying every mask.
  func bestByBruteForce(n: Int, constraint: Sparsity.Constraint) -> Double {
    let m = rows
    let rowMasks = (0..<(1 << m)).filter {
      constraint == .exactly ? $0.nonzeroBitCount == n : $0.nonzeroBitCount <= n
    }
    var best = -1.0
    func search(row: Int, counts: [Int], score: Double) {
      if row == m {
        let isValid = constraint == .atMost || counts.allSatisfy { $0 == n }
        if isValid { best = max(best, score) }
        return
      }
      for bits in rowMasks {
        var counts = counts
        var score = score
        for column in 0..<m where bits >> column & 1 == 1 {
          counts[column] += 1
          score += abs(values[row * m + column])
        }
        if counts.allSatisfy({ $0 <= n }) { search(row: row + 1, counts: counts, score: score) }
      }
    }
    search(row: 0, counts: [Int](repeating: 0, count: m), score: 0)
    return best
  }
}

extension Mask {
  /// Rows of zeros and ones.
  var rowStrings: [String] {
    (0..<rows).map { row in (0..<columns).map { self[row, $0] ? "1" : "0" }.joined() }
  }
}
