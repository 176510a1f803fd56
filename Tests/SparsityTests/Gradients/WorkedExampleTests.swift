// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

/// Groups small enough to do by hand.
@Suite struct WorkedExampleTests {
  struct Example: Sendable, CustomTestStringConvertible {
    var n: Int
    var group: [Double]
    var probabilities: [Double]
    var variance: Double
    /// The kept value of each entry, where it is kept.
    var values: [Double]
    var testDescription: String { "\(n):\(group.count) \(group)" }
  }

  static let optimal: [Example] = [
    Example(n: 1, group: [3, -1], probabilities: [0.75, 0.25], variance: 6, values: [4, -4]),
    Example(
      n: 2,
      group: [1, 2, 3, 4],
      probabilities: [0.2, 0.4, 0.6, 0.8],
      variance: 20,
      values: [5, 5, 5, 5]
    ),
    Example(
      n: 2,
      group: [1, 1, 1, 10],
      probabilities: [0.3333333333, 0.3333333333, 0.3333333333, 1],
      variance: 6,
      values: [3, 3, 3, 10]
    ),
    Example(
      n: 2,
      group: [0.5, -1, 2, 4],
      probabilities: [0.1428571429, 0.2857142857, 0.5714285714, 1],
      variance: 7,
      values: [3.5, -3.5, 3.5, 4]
    ),
    Example(
      n: 2,
      group: [0.1, 2, 2, 4],
      probabilities: [0.02469135802, 0.4938271605, 0.4938271605, 0.987654321],
      variance: 8.795,
      values: [4.05, 4.05, 4.05, 4.05]
    ),
    Example(
      n: 2,
      group: [5, 3, -2, 0],
      probabilities: [1, 0.6, 0.4, 0],
      variance: 12,
      values: [5, 5, -5, 0]
    ),
    Example(
      n: 4,
      group: [1, 2, 4, 4, 8, 16, -3, 5],
      probabilities: [1.0 / 9, 2.0 / 9, 4.0 / 9, 4.0 / 9, 8.0 / 9, 1, 1.0 / 3, 5.0 / 9],
      variance: 108,
      values: [9, 9, 9, 9, 9, 16, -9, 9]
    ),
    Example(
      n: 2,
      group: [1, 1, 2, 3, 5, 8, 13, 21],
      probabilities: [1, 1, 2, 3, 5, 8, 13, 21].map { $0 / 27 },
      variance: 744,
      values: Array(repeating: 27, count: 8)
    ),
    Example(
      n: 4,
      group: [100, 50, 1, 1, 1, 1, 1, 1],
      probabilities: [1, 1] + Array(repeating: 1.0 / 3, count: 6),
      variance: 12,
      values: [100, 50, 3, 3, 3, 3, 3, 3]
    ),
    Example(
      n: 1,
      group: [1, 2, 2, 3],
      probabilities: [0.125, 0.25, 0.25, 0.375],
      variance: 46,
      values: [8, 8, 8, 8]
    ),
  ]

  static let drawn: [Example] = [
    Example(
      n: 2,
      group: [1, 2, 3, 4],
      probabilities: [0.2345238095, 0.4412698413, 0.6083333333, 0.7158730159],
      variance: 20.47356073,
      values: [1 / 0.2345238095, 2 / 0.4412698413, 3 / 0.6083333333, 4 / 0.7158730159]
    ),
    Example(
      n: 2,
      group: [1, 1, 1, 10],
      probabilities: [0.3461538462, 0.3461538462, 0.3461538462, 0.9615384615],
      variance: 9.666666667,
      values: [1 / 0.3461538462, 1 / 0.3461538462, 1 / 0.3461538462, 10.4]
    ),
    Example(
      n: 2,
      group: [0.5, -1, 2, 4],
      probabilities: [],
      variance: 8.283876147,
      values: []
    ),
    Example(n: 1, group: [3, -1], probabilities: [0.75, 0.25], variance: 6, values: [4, -4]),
  ]

  @Test(arguments: optimal)
  func optimalExamples(example: Example) throws { try check(example, .minimumVariance) }

  @Test(arguments: drawn)
  func drawnExamples(example: Example) throws { try check(example, .sequential) }

  private func check(_ example: Example, _ method: GradientMethod) throws {
    let m = example.group.count
    let pattern = try Pattern(n: example.n, m: m)
    let exact =
      method == .sequential
      ? ExactDesign.sequential(example.group, n: example.n)
      : ExactDesign.minimumVariance(example.group, n: example.n)
    for seed in UInt64(0)..<64 {
      let estimator = try GradientEstimator(
        pattern: pattern,
        axis: .row,
        method: method,
        seed: seed
      )
      let estimate = try estimator.estimate(example.group, columns: m)
      // The printed digits, then the exact fractions.
      #expect(abs(estimate.sums.variance - example.variance) <= 6e-10 * example.variance)
      #expect(abs(estimate.sums.variance - exact.variance.double) <= 1e-12 * exact.variance.double)
      for index in 0..<m {
        let probability = estimate.probabilities[index]
        if !example.probabilities.isEmpty {
          #expect(abs(probability - example.probabilities[index]) < 6e-11)
        }
        #expect(abs(probability - exact.probabilities[index].double) < 1e-12)
        let isKept = estimate.mask[index / 8] >> UInt8(index % 8) & 1 == 1
        if isKept, !example.values.isEmpty {
          #expect(abs(Double(estimate.values[index]) - example.values[index]) < 6e-7 * 16)
        } else if !isKept {
          #expect(estimate.values[index] == 0)
        }
      }
      #expect(estimate.sums.kept == min(example.n, example.group.filter { $0 != 0 }.count))
    }
  }

  @Test func greedyKeepsTheLargest() throws {
    let estimator = try GradientEstimator(
      pattern: Pattern(n: 2, m: 4),
      axis: .row,
      method: .greedy,
      seed: 0
    )
    let estimate = try estimator.estimate([1, -3, 2, 3, 0, 0, 5, 0] as [Float], columns: 4)
    #expect(estimate.values == [0, -3, 0, 3, 0, 0, 5, 0])
    #expect(estimate.mask == [0b1010, 0b0100])
    #expect(estimate.sums.variance == 0)
    #expect(estimate.sums.squaredBias == 5)
    #expect(estimate.sums.kept == 3)
    #expect(!GradientMethod.greedy.isUnbiased)
  }
}
