// SPDX-License-Identifier: GPL-3.0-or-later

/// How a gradient matrix is made sparse.
public enum GradientMethod: String, Sendable, Hashable, CaseIterable {
  /// The unbiased estimator of least variance among all that keep n of m.
  case minimumVariance = "minimum_variance"
  /// Unbiased: n <= 2 draws without replacement, each in proportion to what is left.
  case sequential
  /// Unbiased and unstructured: entries below a threshold are rounded to it or to zero.
  case stochasticThreshold = "stochastic_threshold"
  /// The n largest of each group, as they are: biased, for comparison.
  case greedy

  /// Whether the expectation of the output is the input.
  public var isUnbiased: Bool { self != .greedy }
}

/// The direction along which m consecutive entries are a group.
public enum GradientAxis: String, Sendable, Hashable, CaseIterable {
  /// Groups lie along a row.
  case row
  /// Groups lie down a column: the token axis of the product that makes a weight gradient.
  case column
}

/// Why a gradient matrix has no estimate.
public enum GradientError: Error, Sendable, Hashable {
  /// The method draws at most two entries of a group.
  case keptCountTooLargeForSequential(n: Int)
  /// The group size is above `Pattern.maximumGroupSize(for:)`.
  case groupSizeTooLarge(m: Int)
  /// `stochasticThreshold` needs a threshold fitted to the whole tensor: see `StochasticPruning`.
  case thresholdMissing
  /// The target sparsity is not within 0..<1.
  case sparsityOutOfRange(Double)
  /// The threshold for the target sparsity is too large for float32.
  case thresholdTooLarge
  /// The side along the axis is not a multiple of m.
  case notDivisible(axis: GradientAxis, length: Int, m: Int)
  /// The tensor has more groups than the random stream tells apart.
  case tooManyGroups
  /// The entry is not a number, or infinite.
  case notFinite(row: Int, column: Int)
  /// The true output at this entry, were it kept, is too large for float32.
  case overflow(row: Int, column: Int)
}

/// What one estimate adds up to, over a band or a matrix.
///
/// Sums are exact until they are read, so that adding the sums of bands gives the same bits
/// whatever the bands were.
public struct GradientSums: Sendable, Equatable {
  /// The number of entries kept.
  public internal(set) var kept = 0
  /// The number of entries that are exactly zero.
  public internal(set) var zeros = 0
  /// The number of entries.
  public internal(set) var count = 0

  var exactVariance = ExactSum()
  var exactSquaredBias = ExactSum()
  var exactSumOfSquares = ExactSum()

  /// The sums of nothing.
  public init() {}

  /// The sum over entries of the estimator's variance, from its closed form.
  public var variance: Double { exactVariance.value }

  /// The sum over entries of the squared bias: zero unless the method is `greedy`.
  public var squaredBias: Double { exactSquaredBias.value }

  /// The sum of the squares of the input.
  public var sumOfSquares: Double { exactSumOfSquares.value }

  /// The variance divided by the sum of squares, or zero for an all-zero input.
  public var relativeVariance: Double { relative(variance) }

  /// The squared bias divided by the sum of squares, or zero for an all-zero input.
  public var relativeSquaredBias: Double { relative(squaredBias) }

  /// Adds the sums of another part of the same matrix.
  ///
  /// Associative and commutative, to the last bit.
  public mutating func add(_ other: GradientSums) {
    kept += other.kept
    zeros += other.zeros
    count += other.count
    exactVariance.add(other.exactVariance)
    exactSquaredBias.add(other.exactSquaredBias)
    exactSumOfSquares.add(other.exactSumOfSquares)
  }

  private func relative(_ sum: Double) -> Double {
    let squares = sumOfSquares
    return squares > 0 ? sum / squares : 0
  }
}
