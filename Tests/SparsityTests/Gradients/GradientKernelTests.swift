// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

/// Every kernel must give the bits of the scalar code.
@Suite struct GradientKernelTests {
  static let patterns = [
    (1, 2), (2, 4), (1, 4), (3, 4), (4, 4), (4, 8), (1, 8), (7, 8), (8, 16), (2, 16), (16, 32),
    (3, 5), (1, 1), (2, 3), (5, 6), (40, 64), (63, 64), (5, 48), (9, 12),
  ]

  @Test(arguments: GradientKernel.allCases.filter { $0 != .scalar && $0.isSupported })
  func equalsScalar(kernel: GradientKernel) throws {
    for (n, m) in Self.patterns {
      for data in GradientData.allCases {
        for axis in GradientAxis.allCases {
          try compare(kernel, n: n, m: m, data, axis)
        }
      }
    }
  }

  private func compare(
    _ kernel: GradientKernel,
    n: Int,
    m: Int,
    _ data: GradientData,
    _ axis: GradientAxis
  ) throws {
    let rows = axis == .row ? 5 : 2 * m
    let columns = axis == .row ? 43 * m : 43
    let seed = UInt64(n * 1000 + m)
    let elements = data.matrix(count: rows * columns, seed: seed)
    let pattern = try Pattern(n: n, m: m)
    func run(_ kernel: GradientKernel) throws -> (GradientEstimate?, GradientError?) {
      let estimator = try GradientEstimator(
        pattern: pattern,
        axis: axis,
        method: .minimumVariance,
        seed: seed << 40 | 5,
        tensorKey: seed << 33 | 9,
        kernel: kernel
      )
      do {
        return (try estimator.estimateFast(elements, columns: columns), nil)
      } catch {
        return (nil, error)
      }
    }
    let (actual, actualError) = try run(kernel)
    let (expected, expectedError) = try run(.scalar)
    let name = "\(kernel) \(n):\(m) \(data) \(axis) seed \(seed)"
    #expect(actualError == expectedError, "\(name)")
    guard let actual, let expected else { return }
    let difference = zip(actual.values, expected.values).enumerated()
      .first { $1.0.bitPattern != $1.1.bitPattern }
    if let (index, (got, wanted)) = difference {
      let start = axis == .row ? index / m * m : index
      let entries = (0..<m).map {
        axis == .row
          ? elements[start + $0]
          : elements[((index / columns) / m * m + $0) * columns + index % columns]
      }
      Issue.record("\(name): \(got) for \(wanted) at \(index), group \(entries)")
    }
    #expect(actual.mask == expected.mask, "\(name)")
    #expect(actual.sums == expected.sums, "\(name)")
  }

  @Test(arguments: GradientKernel.allCases.filter(\.isSupported))
  func errorsNameTheFirstEntry(kernel: GradientKernel) throws {
    for axis in GradientAxis.allCases {
      let estimator = try GradientEstimator(
        pattern: Pattern(n: 2, m: 4),
        axis: axis,
        method: .minimumVariance,
        seed: 1,
        kernel: kernel
      )
      for (index, bad) in [(0, Float.nan), (131, .infinity), (67, -.nan), (250, -.infinity)] {
        var elements = GradientData.normal.matrix(count: 256, seed: 3)
        elements[index] = bad
        elements[255] = .nan
        #expect(throws: GradientError.notFinite(row: index / 32, column: index % 32)) {
          try estimator.estimateFast(elements, columns: 32)
        }
      }
      var elements = [Float](repeating: 1, count: 256)
      let column = axis == .row ? 8 : 9
      for place in 0..<4 {
        elements[axis == .row ? 96 + column + place : (4 + place) * 32 + column] = 3e38
      }
      #expect(throws: GradientError.overflow(row: axis == .row ? 3 : 4, column: column)) {
        try estimator.estimateFast(elements, columns: 32)
      }
    }
  }
}

extension GradientEstimator {
  /// The estimate without probabilities, which is what lets a kernel run.
  func estimateFast(_ elements: [Float], columns: Int) throws(GradientError) -> GradientEstimate {
    try estimate(elements, .float32, columns: columns, withProbabilities: false)
  }
}
