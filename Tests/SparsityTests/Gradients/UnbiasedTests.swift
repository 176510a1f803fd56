// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// The mean of the estimate is the gradient, over a million draws each.
@Suite struct UnbiasedTests {
  static let seed: UInt64 = 20_260_101
  static let draws = 1 << 20

  static let named: [[Float]] = [
    [1, 1, 1, 1], [1, 2, 3, 6.0001], [0, 0, 0, 0], [3, 0, 0, 0], [1e8, 1e-3, 1e-3, 1e-3],
    [Float(1e-42 as Double), 0, 0, 0], [1e-9, 2e-9, 3e-9, 4e-9], [0.1, -2, 2, 4], [5, 3, -2, 0],
    // Three units in the last place of zero: what is kept is 1.5 of them.
    [0x1p-149, 0x1p-149, -0x1p-149, 0],
    [3 * .leastNonzeroMagnitude, 0x1p-149, 0x1p-148, 0x1p-149],
    // The sum needs 25 bits and more.
    [16_777_215, 1, 0.5, 0.25], [1, 0x1p-24, 0x1p-25, 1], [-0.0, 7, 7, 7],
  ]

  static let random: [[Float]] = (0..<50).map { index in
    var generator = SplitMix64(seed: seed &+ UInt64(index))
    let data = GradientData.allCases[index % GradientData.allCases.count]
    let m = [2, 4, 8, 4, 3][index % 5]
    return (0..<m).map { _ in data.sample(&generator) }
  }

  @Test(arguments: [GradientMethod.minimumVariance, .sequential])
  func meanIsTheGradient(method: GradientMethod) throws {
    for group in Self.named + Self.random.prefix(method == .sequential ? 11 : 50) {
      for n in [1, 2, 4] where n < group.count && (method == .minimumVariance || n <= 2) {
        try check(group, n: n, method)
      }
    }
  }

  private func check(_ group: [Float], n: Int, _ method: GradientMethod) throws {
    let m = group.count
    let pattern = try Pattern(n: n, m: m)
    let estimator = try GradientEstimator(
      pattern: pattern,
      axis: .row,
      method: method,
      seed: Self.seed
    )
    let name = "\(method) \(n):\(m) \(group) seed \(Self.seed)"
    let probabilities = try estimator.estimate(group, columns: m).probabilities
    let columns = m << 10
    let row = (0..<columns).map { group[$0 % m] }
    var sums = [Double](repeating: 0, count: m)
    var hits = [Int](repeating: 0, count: m)
    let values = UnsafeMutablePointer<Float>.allocate(capacity: columns)
    let mask = UnsafeMutablePointer<UInt8>.allocate(capacity: columns / 8)
    defer {
      values.deallocate()
      mask.deallocate()
    }
    let rows = Self.draws >> 10
    for index in 0..<rows {
      let band = try row.withUnsafeBytes { bytes throws(GradientError) in
        guard let base = bytes.baseAddress else { return GradientSums() }
        return try estimator.estimate(
          MatrixView(base: base, dataType: .float32, rows: 1, columns: columns),
          firstRow: index,
          totalRows: rows,
          values: values,
          mask: mask
        )
      }
      #expect(band.kept == columns / m * min(n, group.filter { $0 != 0 }.count), "\(name)")
      for start in stride(from: 0, to: columns, by: m) {
        for place in 0..<m {
          let column = start + place
          sums[place] += Double(values[column])
          hits[place] += Int(mask[column / 8] >> UInt8(column % 8) & 1)
        }
      }
    }
    let count = Double(Self.draws)
    for index in 0..<m {
      let mean = sums[index] / count
      #expect(sums[index].isFinite, "\(name)")
      let probability = probabilities[index]
      if probability == 1 || probability == 0 {
        #expect(mean == Double(group[index]), "\(name) entry \(index)")
        #expect(hits[index] == (group[index] == 0 ? 0 : Self.draws), "\(name) entry \(index)")
        continue
      }
      // Four standard errors, and eight draws for what happens too rarely to be normal.
      let deviation = (probability * (1 - probability) / count).squareRoot()
      let allowed =
        4 * deviation + (min(probability, 1 - probability) * count < 100 ? 8 / count : 0)
      #expect(
        abs(Double(hits[index]) / count - probability) <= allowed,
        "\(name) entry \(index): kept \(hits[index]) times"
      )
      // The kept value, which is rounded at random to one of two neighbours.
      let value = Double(abs(group[index])) / probability
      let rounding = 4 * Double(Float(value).ulp) / 2 * (probability / count).squareRoot()
      #expect(
        abs(mean - Double(group[index])) <= value * allowed + rounding,
        "\(name) entry \(index): mean \(mean)"
      )
    }
  }

  @Test func tooLargeForFloat32() throws {
    for method in [GradientMethod.minimumVariance, .sequential] {
      for kernel in GradientKernel.allCases where kernel.isSupported {
        let estimator = try GradientEstimator(
          pattern: Pattern(n: 2, m: 4),
          axis: .row,
          method: method,
          seed: 1,
          kernel: kernel
        )
        let huge = [Float](repeating: 3e38, count: 64)
        #expect(throws: GradientError.overflow(row: 0, column: 0)) {
          try estimator.estimate(huge, columns: 64)
        }
        #expect(throws: GradientError.overflow(row: 0, column: 0)) {
          try estimator.estimateFast(huge, columns: 64)
        }
        // Twice 1.7e38 is still a float32.
        let large = [Float](repeating: 1.7e38, count: 64)
        let estimate = try estimator.estimateFast(large, columns: 64)
        #expect(estimate.values.filter { $0 == 3.4e38 }.count >= 31)
      }
    }
  }

  @Test func allZero() throws {
    for method in [GradientMethod.minimumVariance, .sequential, .greedy] {
      let estimator = try GradientEstimator(
        pattern: Pattern(n: 2, m: 4),
        axis: .row,
        method: method,
        seed: 1
      )
      let estimate = try estimator.estimate([Float](repeating: 0, count: 64), columns: 16)
      #expect(estimate.values.allSatisfy { $0 == 0 })
      #expect(estimate.mask.allSatisfy { $0 == 0 })
      #expect(estimate.sums.variance == 0 && estimate.sums.relativeVariance == 0)
      #expect(estimate.sums.kept == 0 && estimate.sums.zeros == 64)
    }
  }
}
