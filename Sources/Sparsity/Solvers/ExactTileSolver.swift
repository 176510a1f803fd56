// SPDX-License-Identifier: GPL-3.0-or-later

/// The best transposable mask of a tile, with a proof: dual sweeps, then augmenting paths.
///
/// The sweeps (`DualSweeps`) work in float32 on weights scaled by a power of two; whatever they
/// leave is a valid start, and `AugmentingPaths` ends at the optimum of the true weights in
/// float64, or in integers where a 64-bit weight does not fit float64. The result is a function of
/// the tile's values alone.
///
/// - Complexity: O(m² n) for each sweep, O(m²) for each augmentation.
final class ExactTileSolver: TileSolver {
  let pattern: Pattern
  private let constraint: Constraint
  private var sweeps: DualSweeps
  private let paths: AugmentingPaths<Double>
  private lazy var integerPaths = AugmentingPaths<Int128>(
    pattern: pattern,
    constraint: constraint
  )
  private var floats: [Float]
  private let scaled: UnsafeMutablePointer<Double>

  init(pattern: Pattern, constraint: Constraint) {
    self.pattern = pattern
    self.constraint = constraint
    sweeps = DualSweeps(pattern: pattern)
    paths = AugmentingPaths(pattern: pattern, constraint: constraint)
    floats = [Float](repeating: 0, count: pattern.m * pattern.m)
    scaled = .allocate(capacity: pattern.m * pattern.m)
    scaled.initialize(repeating: 0, count: pattern.m * pattern.m)
  }

  deinit { scaled.deallocate() }

  func solve(_ tile: Tile) throws(SolveError) -> Double? {
    let (n, m) = (pattern.n, pattern.m)
    guard n < m else {
      for row in 0..<m { tile.kept[row] = m == 64 ? .max : 1 << UInt64(m) - 1 }
      return 0
    }
    let exponent = scale(tile)
    sweeps.run(floats)
    let isSolved =
      tile.isRounded ? solveInIntegers(tile, exponent) : solveScaled(tile)
    guard let gap = isSolved else {
      throw .solverFailed(detail: "exact: no augmenting path in a tile of \(pattern)")
    }
    return tile.isRounded ? gap : Double(sign: .plus, exponent: exponent, significand: gap)
  }

  /// Scales the weights by a power of two, to a largest in 1 ..< 2, and returns its exponent.
  private func scale(_ tile: Tile) -> Int {
    let count = pattern.m * pattern.m
    var largest = 0.0
    for index in 0..<count { largest = max(largest, tile.weights[index]) }
    let exponent = largest > 0 ? Int(largest.exponent) : 0
    // In two steps, because 2^1074 is no float64.
    let half = -exponent / 2
    let first = Double(sign: .plus, exponent: half, significand: 1)
    let second = Double(sign: .plus, exponent: -exponent - half, significand: 1)
    for index in 0..<count {
      scaled[index] = tile.weights[index] * first * second
      floats[index] = Float(scaled[index])
    }
    return exponent
  }

  private func solveScaled(_ tile: Tile) -> Double? {
    let shift = potentialShift
    for index in 0..<pattern.m {
      paths.u[index] = potential(sweeps.u[index], shift)
      paths.v[index] = potential(sweeps.v[index], -shift)
    }
    guard paths.run(scaled, into: tile.kept) else { return nil }
    return DualSolution(weights: scaled, kept: tile.kept, u: paths.u, v: paths.v)
      .gap(pattern: pattern, constraint: constraint)
  }

  private func solveInIntegers(_ tile: Tile, _ exponent: Int) -> Double? {
    let count = pattern.m * pattern.m
    let shift = potentialShift
    for index in 0..<pattern.m {
      let u = potential(sweeps.u[index], shift)
      let v = potential(sweeps.v[index], -shift)
      integerPaths.u[index] = Int128(Double(sign: .plus, exponent: exponent, significand: u))
      integerPaths.v[index] = Int128(Double(sign: .plus, exponent: exponent, significand: v))
    }
    return withUnsafeTemporaryAllocation(of: Int128.self, capacity: count) { weights -> Double? in
      for index in 0..<count { weights[index] = Int128(tile.keys[index]) }
      guard let base = weights.baseAddress, integerPaths.run(base, into: tile.kept) else {
        return nil
      }
      return Double(
        DualSolution(weights: base, kept: tile.kept, u: integerPaths.u, v: integerPaths.v)
          .gap(pattern: pattern, constraint: constraint)
      )
    }
  }

  /// What to move from the rows' potentials to the columns', so that the least of both are equal.
  ///
  /// A shift changes no reduced cost. Where it makes all potentials non-negative, the sweeps' dual
  /// holds under `atMost` too.
  private var potentialShift: Double {
    guard constraint == .atMost else { return 0 }
    let leastU = sweeps.u.reduce(Float.infinity, min)
    let leastV = sweeps.v.reduce(Float.infinity, min)
    return (Double(leastV) - Double(leastU)) / 2
  }

  private func potential(_ value: Float, _ shift: Double) -> Double {
    constraint == .atMost ? max(0, Double(value) + shift) : Double(value)
  }
}
