// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import SyntheticWeights
import Testing

@testable import Sparsity

/// `exact` against GLPK, and up to m = 4 against every mask there is, one tile after another.
///
/// `NMMASK_DIFFERENTIAL_TILES` says how many tiles; `make differential` takes a million.
struct DifferentialTests {
  static let tileCount =
    ProcessInfo.processInfo.environment["NMMASK_DIFFERENTIAL_TILES"].flatMap(Int.init) ?? 5000
  static let largestM = 12

  /// Kinds whose matrix depends on the seed; one tile of each of the others says it all.
  static let randomKinds = WeightKind.allCases.filter { ![.zeros, .equal, .ramp].contains($0) }

  @Test("exact keeps as much as GLPK, and as the best of all masks", arguments: WeightKind.allCases)
  func agreement(_ kind: WeightKind) throws {
    let patternCount = Self.largestM * (Self.largestM + 1) / 2
    let caseCount = Self.randomKinds.count * patternCount * Sparsity.Constraint.allCases.count
    let perCase = (Self.tileCount + caseCount - 1) / caseCount
    let tilesPerCase = Self.randomKinds.contains(kind) ? perCase : 1
    var compared = 0
    for m in 1...Self.largestM {
      for n in 1...m {
        for constraint in Sparsity.Constraint.allCases {
          let comparison = try TileComparison(Pattern(n: n, m: m), constraint)
          // Side by side, so that the kernels fill their lanes; a tile's mask is its own all the same.
          let batch = DifferentialBatch(kind, m: m, tileCount: tilesPerCase, salt: n)
          let failures = try comparison.run(batch)
          compared += batch.tileCount
          for failure in failures.prefix(3) { Issue.record("\(failure)") }
        }
      }
    }
    #expect(compared == tilesPerCase * patternCount * Sparsity.Constraint.allCases.count)
  }

  @Test("A mask that is not the best is noticed")
  func noticesWorseMasks() throws {
    for constraint in Sparsity.Constraint.allCases {
      for m in [2, 3, 4, 8, 12] {
        let comparison = try TileComparison(Pattern(n: 1, m: m), constraint)
        let batch = DifferentialBatch(.uniform, m: m, tileCount: 5, salt: 1)
        // A diagonal is a mask, and the best of a random tile about once in m! times.
        let diagonal = (0..<m).map { UInt64(1) << UInt64($0) }
        let failures = try (0..<5).compactMap {
          try comparison.check(batch.tile($0), diagonal, batch.label($0))
        }
        #expect(failures.count >= (m == 2 ? 1 : 3), "\(m) \(constraint)")
        let tooMany = [UInt64](repeating: 1, count: m)
        #expect(try comparison.check(batch.tile(0), tooMany, "") != nil)
      }
    }
  }
}

/// Tiles of one kind and size, each from a seed of its own.
struct DifferentialBatch {
  let m: Int
  let tileCount: Int
  /// m rows of tileCount * m columns.
  let values: [Double]
  private let kind: WeightKind
  private let firstSeed: UInt64

  /// Every other tile has entries that float32 does not hold, by some more bits at the end of each.
  init(_ kind: WeightKind, m: Int, tileCount: Int, salt: Int) {
    self.m = m
    self.tileCount = tileCount
    self.kind = kind
    firstSeed = UInt64(m) << 40 | UInt64(salt) << 32
    let columns = m * tileCount
    var values = [Double](repeating: 0, count: m * columns)
    for tile in 0..<tileCount {
      let seed = firstSeed + UInt64(tile)
      let entries = kind.matrix(rows: m, columns: m, seed: seed)
      var generator = SplitMix64(seed: ~seed)
      for index in 0..<(m * m) {
        let more = tile % 2 == 1 ? Double(generator.next() >> 40) * 0x1p-50 : 0
        values[index / m * columns + tile * m + index % m] = Double(entries[index]) * (1 + more)
      }
    }
    self.values = values
  }

  /// The magnitudes of one tile.
  func tile(_ index: Int) -> [Double] {
    (0..<(m * m)).map { abs(values[$0 / m * m * tileCount + index * m + $0 % m]) }
  }

  func label(_ index: Int) -> String {
    "\(kind.rawValue), seed \(firstSeed + UInt64(index))"
      + (index % 2 == 1 ? " with more bits than float32 has" : "")
  }
}

/// Compares masks of one pattern with GLPK's and with the best of all.
struct TileComparison {
  let pattern: Pattern
  let constraint: Sparsity.Constraint
  private let flow: MinimumCostFlowSolver
  private let everyMask: [UInt16]

  init(_ pattern: Pattern, _ constraint: Sparsity.Constraint) {
    self.pattern = pattern
    self.constraint = constraint
    flow = MinimumCostFlowSolver(pattern: pattern, constraint: constraint)
    everyMask = pattern.m <= 4 ? Self.allMasks(pattern, constraint) : []
  }

  /// Solves a batch by the method `exact`; returns what is wrong.
  func run(_ batch: DifferentialBatch) throws -> [String] {
    let m = pattern.m
    let problem = Problem(
      stride(from: 0, to: batch.values.count, by: m * batch.tileCount).map {
        Array(batch.values[$0..<($0 + m * batch.tileCount)])
      }
    )
    let solution = try problem.solve(pattern.n, m, constraint: constraint)
    var failures: [String] = []
    if solution.certificate?.isOptimal != true {
      failures.append("\(pattern) \(constraint.rawValue): no proof, \(batch.label(0)) and on")
    }
    for index in 0..<batch.tileCount {
      let rows = (0..<m).map { row in
        (0..<m).reduce(UInt64(0)) {
          solution.mask[row, index * m + $1] ? $0 | 1 << UInt64($1) : $0
        }
      }
      if let failure = try check(batch.tile(index), rows, batch.label(index)) {
        failures.append(failure)
      }
    }
    return failures
  }

  /// What is wrong with a mask of a tile; nil if nothing.
  func check(_ weights: [Double], _ kept: [UInt64], _ label: String) throws -> String? {
    let (n, m) = (pattern.n, pattern.m)
    let tile = Tile(m: m)
    weights.withUnsafeBytes {
      tile.load(MatrixView($0, dataType: .float64, rows: m, columns: m), column: 0)
    }
    let gap = try flow.solve(tile)
    let flowScore = tile.keptMagnitude
    for row in 0..<m { tile.kept[row] = kept[row] }
    let score = tile.keptMagnitude
    // The error of a sum of k numbers is at most k - 1 roundings of it (Higham, Accuracy and
    // Stability of Numerical Algorithms, 4.2), and two sums are compared.
    let rounding = Double(2 * m * n) * 0x1p-53 * max(score, flowScore)
    let largest = weights.max() ?? 0
    let quantisation = isOnGrid(weights, largest) ? 0 : Double(m * n) * 0x1p-24 * largest

    var complaint: String?
    if !tile.obeys(pattern, constraint) {
      complaint = "no mask"
    } else if score < flowScore - rounding {
      complaint = "GLPK keeps more: \(flowScore)"
    } else if score > flowScore + quantisation + rounding {
      complaint = "GLPK keeps less than its bound allows: \(flowScore)"
    } else if let gap, score > flowScore + gap + rounding {
      complaint = "GLPK proves that no mask keeps as much: \(flowScore + gap)"
    } else if m <= 4 {
      let best = bestOfAll(weights)
      if abs(score - best) > rounding { complaint = "the best of all masks keeps \(best)" }
    }
    return complaint.map {
      let rows = stride(from: 0, to: m * m, by: m).map { "\(weights[$0..<($0 + m)])" }
      return "\(pattern) \(constraint.rawValue), \(label): exact keeps \(score), but \($0)\n"
        + rows.joined(separator: "\n")
    }
  }

  /// Whether GLPK gets the weights as they are: as multiples of 2^-23 of the largest's power of two.
  private func isOnGrid(_ weights: [Double], _ largest: Double) -> Bool {
    guard largest > 0 else { return true }
    let unit = largest.ulp * 0x1p29
    return weights.allSatisfy { $0.remainder(dividingBy: unit) == 0 }
  }

  private func bestOfAll(_ weights: [Double]) -> Double {
    let m = pattern.m
    // What each choice of entries of each row adds up to.
    let sums = (0..<m).map { row in
      (0..<(1 << m)).map { bits in
        (0..<m).reduce(0.0) { bits >> $1 & 1 == 1 ? $0 + weights[row * m + $1] : $0 }
      }
    }
    return everyMask.reduce(0) { best, mask in
      var sum = 0.0
      for row in 0..<m { sum += sums[row][Int(mask) >> (row * m) & (1 << m - 1)] }
      return max(best, sum)
    }
  }

  /// Every mask of m <= 4, m bits for each row.
  private static func allMasks(_ pattern: Pattern, _ constraint: Sparsity.Constraint) -> [UInt16] {
    let (n, m) = (pattern.n, pattern.m)
    func isAllowed(_ count: Int) -> Bool { constraint == .exactly ? count == n : count <= n }
    let row = 1 << m - 1
    let column = (0..<m).reduce(0) { $0 | 1 << ($1 * m) }
    return (0..<(1 << (m * m))).filter { mask in
      (0..<m).allSatisfy {
        isAllowed((mask >> ($0 * m) & row).nonzeroBitCount)
          && isAllowed((mask >> $0 & column).nonzeroBitCount)
      }
    }.map(UInt16.init)
  }
}
