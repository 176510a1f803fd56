// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// Laws that hold for every tile, over random tiles of every pattern and kind.
struct PropertyTests {
  static let kinds = WeightKind.allCases

  @Test("Every method obeys its laws for every n:m up to 16", arguments: kinds)
  func laws(_ kind: WeightKind) throws {
    for m in 1...16 {
      for n in 1...m {
        let seed = UInt64(m * 100 + n)
        let problem = Problem(kind, rows: m, columns: 2 * m, seed: seed)
        try check(problem, n: n, m: m, context: "\(kind) \(n):\(m) seed \(seed)")
      }
    }
  }

  @Test("Large tiles obey the same laws", arguments: kinds)
  func largeTiles(_ kind: WeightKind) throws {
    for (n, m) in [(16, 32), (3, 31), (32, 64), (1, 64), (63, 64), (21, 63)] {
      let problem = Problem(kind, rows: m, columns: m, seed: UInt64(m + n))
      try check(problem, n: n, m: m, context: "\(kind) \(n):\(m) seed \(m + n)")
    }
  }

  private func check(_ problem: Problem, n: Int, m: Int, context: String) throws {
    var exactlyScore = 0.0
    for constraint in Sparsity.Constraint.allCases {
      let label = "\(context) \(constraint.rawValue)\n\(m <= 4 ? problem.description : "")"
      let exact = try problem.solve(n, m, constraint: constraint)
      let best = exact.keptMagnitude
      #expect(exact.layout.validity(of: exact.mask).isValid, "\(label)")
      #expect(close(problem.score(exact.mask), best), "\(label)")
      let certificate = try #require(exact.certificate)
      #expect(certificate.relativeGap <= 1e-12, "\(label)")
      #expect(certificate.upperBound >= best, "\(label)")

      let flipped = try problem.transposed.solve(n, m, constraint: constraint)
      #expect(close(flipped.keptMagnitude, best), "\(label)")
      if constraint == .exactly {
        exactlyScore = best
      } else {
        #expect(best >= exactlyScore * (1 - 1e-12), "\(label)")
      }

      let flow = try problem.solve(n, m, constraint: constraint, method: .minimumCostFlow)
      #expect(flow.layout.validity(of: flow.mask).isValid, "\(label)")
      let largest = problem.values.reduce(0) { max($0, abs($1)) }
      let quantum = largest * (m > 62 ? 0x1p-23 : 0x1p-24)
      #expect(flow.keptMagnitude <= best * (1 + 1e-12), "\(label)")
      // Two tiles, each m * n entries, each rounded once where kept and once where not.
      #expect(best - flow.keptMagnitude <= 2 * Double(m * n) * quantum, "\(label)")
      let bound = try #require(flow.certificate).upperBound
      #expect(bound >= best * (1 - 1e-12), "\(label)")

      for method in [MaskMethod.greedy, .twoApproximation] {
        let approximation = try problem.solve(n, m, constraint: constraint, method: method)
        #expect(approximation.layout.validity(of: approximation.mask).isValid, "\(label)")
        #expect(approximation.keptMagnitude <= best * (1 + 1e-12), "\(label)")
        if constraint == .atMost, method == .greedy {
          #expect(approximation.keptMagnitude >= best / 2 * (1 - 1e-12), "\(label)")
        }
        if constraint == .atMost, method == .twoApproximation {
          let pruned = approximation.totalMagnitude - approximation.keptMagnitude
          let least = exact.totalMagnitude - best
          #expect(pruned <= 2 * least + 1e-9 * exact.totalMagnitude, "\(label)")
        }
      }
    }
  }

  @Test("The exact score is that of exhaustive search up to m = 4", arguments: kinds)
  func bruteForce(_ kind: WeightKind) throws {
    for m in 1...4 {
      for n in 1...m {
        for seed in UInt64(0)..<40 {
          let problem = Problem(kind, rows: m, columns: m, seed: seed)
          for constraint in Sparsity.Constraint.allCases {
            let solution = try problem.solve(n, m, constraint: constraint)
            let best = problem.bestByBruteForce(n: n, constraint: constraint)
            #expect(
              close(solution.keptMagnitude, best),
              "\(kind) \(n):\(m) \(constraint) seed \(seed)\n\(problem)"
            )
          }
        }
      }
    }
  }

  private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(abs(a), abs(b)) }
}
