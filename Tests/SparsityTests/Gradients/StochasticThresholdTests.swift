// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct StochasticThresholdTests {
  /// Thresholds over e^mu, by deviation and sparsity.
  @Test(arguments: [
    (1.0, [2.4007911856, 4.8796483782, 7.8222652308, 10.687100792, 16.311560453, 32.922831564]),
    (2.0, [2.5747062247, 8.253118757, 16.988872195, 26.692026875, 47.657116472, 115.81615773]),
    (3.0, [2.639855601, 13.841576798, 38.060466118, 71.136056022, 157.1046918, 515.21062944]),
  ])
  func publishedThresholds(deviation: Double, ratios: [Double]) {
    for (sparsity, ratio) in zip([0.5, 0.7, 0.8, 0.85, 0.9, 0.95], ratios) {
      let found = exp(
        StochasticThreshold.logRatio(keeping: 1 - sparsity, deviation: deviation)
      )
      #expect(abs(found - ratio) < 6e-10 * ratio, "s \(deviation) S \(sparsity)")
    }
  }

  @Test func publishedSparsity() {
    let kept = StochasticThreshold.keptShare(logRatio: log(2), deviation: 1)
    #expect(abs(1 - kept - 0.4430649254) < 6e-11)
  }

  /// The closed form against a sum over the law's quantiles, for small and large deviations.
  @Test func closedFormAgreesWithQuadrature() {
    for deviation in [0.01, 0.3, 1, 2.5, 6] {
      for t in [-8, -2, -0.5, 0, 0.7, 2, 4] as [Double] {
        let logRatio = t * deviation
        // The midpoint rule in the normal variable, to 12 deviations.
        let step = 1e-3
        var sum = 0.0
        for index in 0..<24_000 {
          let z = -12 + (Double(index) + 0.5) * step
          sum += exp(-0.5 * z * z) * min(1, exp(deviation * z - logRatio))
        }
        let share = sum * step / (2 * Double.pi).squareRoot()
        let closed = StochasticThreshold.keptShare(logRatio: logRatio, deviation: deviation)
        // The kink costs the midpoint rule s^2 step^2.
        let slack = 1e-7 + deviation * deviation * step * step
        #expect(abs(closed - share) < slack * share, "s \(deviation) t \(t)")
      }
    }
  }

  @Test func everyRootIsFound() {
    for deviation in [0, 1e-9, 1e-3, 0.5, 5, 30, 200] {
      for kept in [1e-12, 1e-6, 0.05, 0.5, 0.95, 1 - 1e-9] {
        let root = StochasticThreshold.logRatio(keeping: kept, deviation: deviation)
        #expect(root.isFinite)
        guard deviation > 0 else {
          #expect(root == -log(kept))
          continue
        }
        let share = StochasticThreshold.keptShare(logRatio: root, deviation: deviation)
        // A unit in the last place of a large root moves the share by this much.
        let slack = 1e-12 + 4 * root.ulp / deviation + 4 * deviation * (root / deviation).ulp
        #expect(abs(share - kept) <= slack * kept + 1e-15 * 4, "s \(deviation) kept \(kept)")
      }
    }
  }

  /// The law of a tensor is found again, and the sparsity asked for comes out.
  @Test(arguments: [0, 0.25])
  func sparsityIsReached(zeroFraction: Double) throws {
    var generator = SplitMix64(seed: 91)
    let columns = 1 << 10
    let rows = 1 << 10
    let elements = (0..<rows * columns).map { _ -> Float in
      let sign: Float = generator.next() & 1 == 0 ? 1 : -1
      let gauss = generator.normal()
      return generator.uniform() < zeroFraction ? 0 : sign * Float(exp(2 * gauss - 7))
    }
    let fit = try fit(elements, columns: columns)
    let count = Double(fit.count - fit.zeros)
    #expect(abs(fit.mean + 7) < 4 * 2 / count.squareRoot())
    #expect(abs(fit.deviation - 2) < 4 * 2 / (2 * count).squareRoot())
    for sparsity in [0.5, 0.85, 0.95] {
      let threshold = try StochasticThreshold(fit: fit, sparsity: sparsity)
      let estimate = try prune(elements, threshold.threshold, columns: columns, seed: 92)
      let share = Double(estimate.sums.kept) / Double(elements.count)
      // The scatter of the draws and that of the fit, some 0.001 each.
      #expect(abs(1 - share - sparsity) < 0.004, "\(sparsity) seed 91")
      #expect(estimate.sums.zeros == fit.zeros)
      #expect(
        estimate.values.allSatisfy { abs($0) >= threshold.threshold || $0 == 0 }
      )
    }
  }

  @Test func enoughZerosAlready() throws {
    let fit = try fit([0, 0, 0, 1], columns: 4)
    #expect(fit.zeroFraction == 0.75)
    let threshold = try StochasticThreshold(fit: fit, sparsity: 0.6)
    #expect(threshold.threshold == 0)
    let estimate = try prune([0, 0, 0, 1], 0, columns: 4, seed: 1)
    #expect(estimate.values == [0, 0, 0, 1] && estimate.sums.variance == 0)
    // All zero, and nothing at all.
    #expect(
      try StochasticThreshold(fit: self.fit([0, 0], columns: 2), sparsity: 0.9).threshold == 0
    )
    #expect(try StochasticThreshold(fit: LognormalFit(), sparsity: 0.9).threshold == 0)
  }

  @Test func equalMagnitudes() throws {
    let elements = (0..<4096).map { $0 % 3 == 0 ? Float(-0.125) : 0.125 }
    let threshold = try StochasticThreshold(fit: fit(elements, columns: 64), sparsity: 0.75)
    // Each is kept with probability 0.125 / a.
    #expect(abs(threshold.threshold - 0.5) < 1e-6)
  }

  /// The mean over many seeds, and the variance in closed form.
  @Test func unbiased() throws {
    let entries: [Float] = [0.5, -0.25, 1, 0, 3, -1e-3, 1e-30, 0.999]
    let columns = 8
    var sums = [Double](repeating: 0, count: columns)
    var hits = [Int](repeating: 0, count: columns)
    let draws = 1 << 20
    let elements = (0..<(columns * (draws >> 4))).map { entries[$0 % columns] }
    for seed in 0..<UInt64(16) {
      let estimate = try prune(elements, 1, columns: columns, seed: seed)
      for (index, value) in estimate.values.enumerated() {
        sums[index % columns] += Double(value)
        hits[index % columns] += Int(estimate.mask[index / 8] >> UInt8(index % 8) & 1)
      }
      let variance = entries.reduce(0.0) {
        $0 + max(0, Double(abs($1)) * (1 - Double(abs($1))))
      }
      let wanted = variance * Double(draws >> 4)
      #expect(abs(estimate.sums.variance - wanted) < 1e-9 * wanted)
    }
    for (index, entry) in entries.enumerated() {
      let magnitude = Double(abs(entry))
      let error = (max(0, magnitude * (1 - magnitude)) / Double(draws)).squareRoot()
      #expect(abs(sums[index] / Double(draws) - Double(entry)) <= 4 * error, "seeds 0 to 15")
      if entry == 3 || entry == 1 { #expect(hits[index] == draws) }
      if entry == 0 { #expect(hits[index] == 0) }
    }
  }

  @Test func bandsDoNotMatter() throws {
    // An odd number of columns, so that pairs of entries straddle rows.
    let (rows, columns) = (9, 7)
    let elements = GradientData.normal.matrix(count: rows * columns, seed: 93)
    let whole = try prune(elements, 2, columns: columns, seed: 94)
    var values: [Float] = []
    var sums = GradientSums()
    for row in 0..<rows {
      let band = Array(elements[row * columns..<(row + 1) * columns])
      let part = try prune(band, 2, columns: columns, seed: 94, firstRow: row, totalRows: rows)
      values += part.values
      sums.add(part.sums)
    }
    #expect(values == whole.values)
    #expect(sums == whole.sums)
    var split = try fit(Array(elements[21...]), columns: columns)
    split.add(try fit(Array(elements[..<21]), columns: columns))
    #expect(try split == fit(elements, columns: columns))
  }

  @Test func whatHasNoAnswer() throws {
    let fit = try fit([1, 2, 4, 8], columns: 4)
    for sparsity in [-0.1, 1, 1.5, .nan, .infinity] as [Double] {
      #expect(throws: GradientError.self) {
        try StochasticThreshold(fit: fit, sparsity: sparsity)
      }
    }
    let wide = try self.fit([1e-30, 1e30, 1e-38, 3e38], columns: 4)
    #expect(throws: GradientError.thresholdTooLarge) {
      try StochasticThreshold(fit: wide, sparsity: 0.9)
    }
    #expect(throws: GradientError.notFinite(row: 1, column: 1)) {
      try self.fit([1, 2, 3, .infinity], columns: 2)
    }
    #expect(throws: GradientError.notFinite(row: 0, column: 1)) {
      try prune([1, .nan, 3, .infinity], 1, columns: 2, seed: 0)
    }
    #expect(throws: GradientError.thresholdMissing) {
      try GradientEstimator(
        pattern: Pattern(n: 2, m: 4),
        axis: .row,
        method: .stochasticThreshold,
        seed: 0
      )
    }
  }

  private func fit(_ elements: [Float], columns: Int) throws -> LognormalFit {
    var fit = LognormalFit()
    try elements.withUnsafeBytes { bytes in
      let base = try #require(bytes.baseAddress)
      try fit.add(
        MatrixView(
          base: base,
          dataType: .float32,
          rows: elements.count / columns,
          columns: columns
        ),
        firstRow: 0
      )
    }
    return fit
  }

  private func prune(
    _ elements: [Float],
    _ threshold: Float,
    columns: Int,
    seed: UInt64,
    firstRow: Int = 0,
    totalRows: Int? = nil
  ) throws -> GradientEstimate {
    let rows = elements.count / columns
    var values = [Float](repeating: .nan, count: elements.count)
    var mask = [UInt8](repeating: 0xFF, count: rows * ((columns + 7) / 8))
    let pruning = StochasticPruning(threshold: threshold, seed: seed, tensorKey: 0)
    let sums = try elements.withUnsafeBytes { bytes in
      try values.withUnsafeMutableBufferPointer { values in
        try mask.withUnsafeMutableBufferPointer { mask in
          try pruning.estimate(
            MatrixView(
              base: #require(bytes.baseAddress),
              dataType: .float32,
              rows: rows,
              columns: columns
            ),
            firstRow: firstRow,
            totalRows: totalRows ?? rows,
            values: #require(values.baseAddress),
            mask: #require(mask.baseAddress)
          )
        }
      }
    }
    return GradientEstimate(values: values, mask: mask, probabilities: [], sums: sums)
  }
}
