// SPDX-License-Identifier: GPL-3.0-or-later

import CKernels

/// The sums of a strip: group g goes to lane g mod 8, and the lanes are added in pairs.
struct StripSums {
  var kept = 0
  var zeros = 0
  var variance = SIMD8<Double>()
  var squaredBias = SIMD8<Double>()
  var squares = SIMD8<Double>()

  init() {}

  init(_ sums: gradients_sums) {
    kept = Int(sums.kept)
    zeros = Int(sums.zeros)
    variance = StripSums.vector(sums.variance)
    squares = StripSums.vector(sums.squares)
  }

  mutating func add(_ ordinal: Int, _ outcome: GroupOutcome, squares sum: Double, zeros: Int) {
    kept += outcome.kept
    self.zeros += zeros
    variance[ordinal & 7] += outcome.variance
    squaredBias[ordinal & 7] += outcome.squaredBias
    squares[ordinal & 7] += sum
  }

  private typealias Eight = (
    Double, Double, Double, Double, Double, Double, Double, Double
  )

  private static func vector(_ lanes: Eight) -> SIMD8<Double> {
    SIMD8(lanes.0, lanes.1, lanes.2, lanes.3, lanes.4, lanes.5, lanes.6, lanes.7)
  }

  /// Adds the strip to the sums of a band.
  func add(to sums: inout GradientSums, count: Int) {
    sums.kept += kept
    sums.zeros += zeros
    sums.count += count
    sums.exactVariance.add(StripSums.total(variance))
    sums.exactSquaredBias.add(StripSums.total(squaredBias))
    sums.exactSumOfSquares.add(StripSums.total(squares))
  }

  private static func total(_ lanes: SIMD8<Double>) -> Double {
    let pairs = lanes.evenHalf + lanes.oddHalf
    let quads = pairs.evenHalf + pairs.oddHalf
    return quads[0] + quads[1]
  }
}
