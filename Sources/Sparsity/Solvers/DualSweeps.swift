// SPDX-License-Identifier: GPL-3.0-or-later

/// Coordinate descent on the dual of a tile: stage 1 of the exact method.
///
/// With v fixed, the dual objective is least in u_i anywhere between the n-th and the (n + 1)-th
/// largest of w_ij - v_j; the midpoint is taken. Columns likewise. A fixed number of sweeps leaves
/// potentials whose signs decide nearly every entry.
struct DualSweeps {
  let pattern: Pattern
  private(set) var u: [Float]
  private(set) var v: [Float]
  private var line: [Float]

  init(pattern: Pattern) {
    self.pattern = pattern
    u = [Float](repeating: 0, count: pattern.m)
    v = u
    line = u
  }

  /// How many sweeps settle most tiles of normal weights; more pay less than finishing the rest.
  static func sweepCount(m: Int) -> Int {
    switch m {
    case ...4: 6
    case ...8: 12
    case ...16: 16
    default: 20
    }
  }

  /// Runs the sweeps over m x m weights, row-major, none above 2.
  ///
  /// - Complexity: O(m² n) for each sweep.
  mutating func run(_ weights: UnsafePointer<Float>) {
    let m = pattern.m
    for index in 0..<m { v[index] = 0 }
    for _ in 0..<Self.sweepCount(m: m) {
      for row in 0..<m {
        for column in 0..<m { line[column] = weights[row * m + column] - v[column] }
        u[row] = midpoint()
      }
      for column in 0..<m {
        for row in 0..<m { line[row] = weights[row * m + column] - u[row] }
        v[column] = midpoint()
      }
    }
  }

  /// Half way between the n-th and the (n + 1)-th largest of `line`.
  private mutating func midpoint() -> Float {
    let rank = pattern.n
    // An insertion sort of the n + 1 largest into the front of the line.
    for index in 1..<pattern.m {
      let value = line[index]
      var position = min(index, rank + 1)
      if position == rank + 1, value <= line[rank] { continue }
      if position == rank + 1 { position = rank }
      while position > 0, line[position - 1] < value {
        line[position] = line[position - 1]
        position -= 1
      }
      line[position] = value
    }
    return 0.5 * (line[rank - 1] + line[rank])
  }
}
