// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// Counts of non-zeros in groups, against counting them one by one.
struct PatternCensusTests {
  /// The most in a group of `m`, entry by entry; nil where m does not divide the sides.
  private func most(
    _ flags: [UInt8],
    _ rows: Int,
    _ columns: Int,
    _ positions: Int,
    _ m: Int,
    _ structure: Structure
  ) -> Int? {
    if structure == .transposable {
      guard let row = most(flags, rows, columns, positions, m, .row),
        let column = most(flags, rows, columns, positions, m, .column)
      else { return nil }
      return max(row, column)
    }
    guard (structure == .row ? columns : rows) % m == 0 else { return nil }
    var counts: [[Int]: Int] = [:]
    for row in 0..<rows {
      for column in 0..<columns {
        for position in 0..<positions {
          let group =
            structure == .row
            ? [row, column / m, position] : [row / m, column, position]
          let flag = flags[(row * columns + column) * positions + position]
          counts[group, default: 0] += Int(flag)
        }
      }
    }
    return counts.values.max() ?? 0
  }

  @Test(arguments: [
    (32, 64, 1), (4, 12, 1), (6, 32, 1), (64, 7, 1), (3, 5, 1), (1, 32, 1), (32, 1, 1), (16, 8, 9),
    (4, 4, 5), (64, 32, 2),
  ])
  func counts(_ rows: Int, _ columns: Int, _ positions: Int) {
    for seed in UInt64(1)...8 {
      var random = SplitMix64(seed: seed)
      let share = UInt32.max / 8 * UInt32(seed - 1)
      let flags = (0..<(rows * columns * positions)).map { _ in
        UInt32(truncatingIfNeeded: random.next()) < share ? UInt8(1) : 0
      }
      var census = PatternCensus(rows: rows, columns: columns, positions: positions)
      let width = columns * positions
      for row in 0..<rows { census.append(Array(flags[(row * width)..<((row + 1) * width)])) }
      #expect(census.nonZeros == flags.reduce(0) { $0 + Int($1) })
      for structure in Structure.allCases {
        let found = census.most(structure)
        let expected = PatternCensus.groupSizes.compactMap { m in
          most(flags, rows, columns, positions, m, structure).map { (m, $0) }
        }
        #expect(
          found.elementsEqual(expected) { $0 == $1 },
          "seed \(seed), \(structure) of \(rows) x \(columns) x \(positions)"
        )
      }
    }
  }

  /// What a row of 32 entries fits, by the places of its non-zeros in each eight.
  @Test(arguments: [
    ([0, 2, 4, 6], "1:2"), ([0, 1, 4, 5], "2:4"), ([1, 3, 4, 7], "1:2"), ([0, 4], "1:4"),
    ([3, 4], "1:4"), ([0, 1, 2, 3], "4:8"), ([0, 1], "2:8"), ([0, 1, 2], "4:8"), ([5], "1:8"),
    ([], "1:32"),
  ])
  func tightest(_ places: [Int], _ pattern: String) {
    let row = (0..<32).map { places.contains($0 % 8) ? UInt8(1) : 0 }
    var census = PatternCensus(rows: 1, columns: 32)
    census.append(row)
    #expect(census.tightest(.row)?.description == pattern)
    #expect(census.tightest(.column) == nil && census.tightest(.transposable) == nil)
  }

  @Test func denseFitsNothing() {
    var census = PatternCensus(rows: 2, columns: 4)
    for _ in 0..<2 { census.append([1, 1, 1, 1]) }
    for structure in Structure.allCases { #expect(census.tightest(structure) == nil) }
    #expect(PatternCensus(rows: 0, columns: 4).tightest(.row) == nil)
  }
}
