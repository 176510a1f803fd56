// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

/// What one group keeps says nothing about its neighbours, and equal entries are equal.
@Suite struct IndependenceTests {
  static let seed: UInt64 = 81

  /// The entries kept, as a bit pattern, of 2^20 equal groups.
  private func outcomes(
    _ group: [Float],
    n: Int,
    _ method: GradientMethod,
    axis: GradientAxis = .row,
    seed: UInt64 = seed
  ) throws -> [Int] {
    let m = group.count
    let estimator = try GradientEstimator(
      pattern: Pattern(n: n, m: m),
      axis: axis,
      method: method,
      seed: seed
    )
    let side = 1 << 10
    let elements = (0..<side * side * m).map {
      group[axis == .row ? $0 % m : $0 / side % m]
    }
    let columns = axis == .row ? side * m : side
    let mask = try estimator.estimateFast(elements, columns: columns).mask
    let maskBytes = columns / 8
    var kept = [Int](repeating: 0, count: side * side)
    for index in kept.indices {
      let row = axis == .row ? index / side : index / side * m
      let column = axis == .row ? index % side * m : index % side
      for place in 0..<m {
        let (down, along) = axis == .row ? (0, place) : (place, 0)
        let byte = mask[(row + down) * maskBytes + (column + along) / 8]
        kept[index] |= Int(byte >> UInt8((column + along) % 8) & 1) << place
      }
    }
    return kept
  }

  /// Pearson's statistic of independence, as standard deviations of its own law.
  private func dependence(_ first: ArraySlice<Int>, _ second: ArraySlice<Int>) -> Double {
    var joint = [Double](repeating: 0, count: 1 << 16)
    for (a, b) in zip(first, second) { joint[a << 8 | b] += 1 }
    let kinds = (0..<256).filter { kind in
      (0..<256).contains { joint[kind << 8 | $0] + joint[$0 << 8 | kind] > 0 }
    }
    let table = kinds.map { a in kinds.map { joint[a << 8 | $0] } }
    let total = Double(min(first.count, second.count))
    var statistic = 0.0
    for a in kinds.indices {
      for b in kinds.indices {
        let expected =
          table[a].reduce(0, +) * table.reduce(0) { $0 + $1[b] } / total
        if expected > 0 {
          statistic += (table[a][b] - expected) * (table[a][b] - expected) / expected
        }
      }
    }
    let freedom = Double((kinds.count - 1) * (kinds.count - 1))
    return (statistic - freedom) / (2 * freedom).squareRoot()
  }

  @Test(arguments: [GradientMethod.minimumVariance, .sequential], GradientAxis.allCases)
  func neighboursAreIndependent(method: GradientMethod, axis: GradientAxis) throws {
    for group in [[1, 2, 3, 4], [0.1, 2, 2, 4], [1, 1, 1, 1]] as [[Float]] {
      let kept = try outcomes(group, n: 2, method, axis: axis)
      // The next group, the one below or beside, and the same group under the next seed.
      for distance in [1, 2, 1 << 10] {
        let z = dependence(kept.dropLast(distance), kept.dropFirst(distance))
        #expect(abs(z) < 4, "\(group) \(method) \(axis) distance \(distance): \(z)")
      }
      let other = try outcomes(group, n: 2, method, axis: axis, seed: Self.seed + 1)
      let z = dependence(kept[...], other[...])
      #expect(abs(z) < 4, "\(group) \(method) \(axis) next seed: \(z)")
    }
  }

  @Test(arguments: [GradientMethod.minimumVariance, .sequential])
  func equalEntriesAreKeptEquallyOften(method: GradientMethod) throws {
    for (m, n) in [(2, 1), (4, 1), (4, 2), (8, 2), (5, 2), (8, 4), (7, 3)]
    where method == .minimumVariance || n <= 2 {
      let kept = try outcomes(Array(repeating: 1, count: m), n: n, method)
      let share = Double(n) / Double(m)
      let error = (share * (1 - share) / Double(kept.count)).squareRoot()
      for place in 0..<m {
        let hits = kept.reduce(0) { $0 + ($1 >> place & 1) }
        #expect(
          abs(Double(hits) / Double(kept.count) - share) < 4 * error,
          "\(n):\(m) place \(place) seed \(Self.seed)"
        )
      }
    }
  }
}
