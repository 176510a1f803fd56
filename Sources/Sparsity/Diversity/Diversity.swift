// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt

/// A number of masks.
public struct MaskCount: Sendable, Hashable {
  /// The binary logarithm of the count.
  public let log2: Double
  /// A bound on the relative error of the count that `log2` stands for; zero if it is exact.
  public let relativeError: Double

  let value: BigUInt?

  init(_ value: BigUInt) {
    self.value = value
    log2 = value.log2
    relativeError = 0
  }

  init(log2: Double, relativeError: Double) {
    value = nil
    self.log2 = log2
    self.relativeError = relativeError
  }

  /// Whether the count is known exactly.
  public var isExact: Bool { value != nil }

  /// The count in decimal digits, if it is known exactly.
  public var decimal: String? { value.map { String($0) } }
}

/// How many masks a pattern allows in one group or tile: the measure of a pattern's freedom.
///
/// Every count is a pure function of the pattern; a caller that needs one often may keep it.
public enum Diversity {
  /// The masks of one group that keep n of m: C(m, n).
  ///
  /// - Complexity: O(m) products of big numbers.
  public static func group(_ pattern: Pattern) -> MaskCount {
    MaskCount(binomialCoefficient(pattern.m, pattern.n))
  }

  /// The masks of one m x m tile that keep n in each row and each column.
  ///
  /// Exact for all m <= 20, and beyond while n or m - n is small (6 at m = 32, 4 at m = 64); else an
  /// asymptotic formula with a measured error below 1e-5, and 2e-6 from m = 32 on.
  ///
  /// - Throws: `PatternError.groupSizeTooLarge` above m = 64.
  /// - Complexity: 8:16 takes some 30 ms and the slowest pattern a second or two, so that a caller
  ///   who needs it often should keep it.
  public static func tile(_ pattern: Pattern) throws(PatternError) -> MaskCount {
    try checkTile(pattern)
    let count = RegularMatrixCount(n: pattern.n, m: pattern.m)
    if count.cost <= largestExactCost { return MaskCount(count.value()) }
    let estimate = RegularMatrixEstimate(n: pattern.n, m: pattern.m)
    return MaskCount(log2: estimate.log2, relativeError: estimate.relativeError)
  }

  /// The formula m! (m - 1)! ... (m - n + 1)! that the transposable-mask paper gives for a tile.
  ///
  /// It is right at n = 1 alone, and elsewhere neither the count nor a bound on it: see
  /// `tile(_:)`. It is here because published comparisons rest on it.
  ///
  /// - Throws: `PatternError.groupSizeTooLarge` above m = 64.
  ///
  /// Source: arXiv:2102.08124.
  public static func paperTile(_ pattern: Pattern) throws(PatternError) -> MaskCount {
    try checkTile(pattern)
    var factorial: BigUInt = 1
    var product: BigUInt = 1
    for factor in 1...pattern.m {
      factorial *= BigUInt(factor)
      if factor > pattern.m - pattern.n { product *= factorial }
    }
    return MaskCount(product)
  }

  /// What 10:20 costs, the last with m = 20.
  private static let largestExactCost = 2e7

  private static func checkTile(_ pattern: Pattern) throws(PatternError) {
    guard pattern.m <= Pattern.maximumGroupSize(for: .transposable) else {
      throw .groupSizeTooLarge(m: pattern.m, structure: .transposable)
    }
  }
}
