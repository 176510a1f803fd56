// SPDX-License-Identifier: GPL-3.0-or-later

/// A proof of how good a mask is.
public struct Certificate: Sendable, Hashable {
  /// What no mask of the pattern can score more than.
  public let upperBound: Double
  /// `(upperBound - score) / upperBound`; 0 where the bound is 0.
  public let relativeGap: Double

  /// The largest relative gap that counts as rounding.
  public static let tolerance = 1e-12

  /// Whether the mask is the best there is.
  public var isOptimal: Bool { relativeGap <= Self.tolerance }

  /// Makes the certificate of a mask of `score` that at most `gap` is missing to.
  ///
  /// The gap is summed from the violations of complementary slackness, which are all of one sign,
  /// and not as a difference of two large sums, so it is exactly 0 where the proof is complete.
  init(score: Double, gap: Double) {
    upperBound = score + gap
    relativeGap = upperBound > 0 ? gap / upperBound : 0
  }
}

/// A mask, its score and its proof.
public struct Solution: Sendable {
  public let layout: MaskLayout
  public let mask: Mask
  /// The number of entries kept.
  public let kept: Int
  /// The score: the sum of the magnitudes kept.
  public let keptMagnitude: Double
  /// The sum of all magnitudes.
  public let totalMagnitude: Double
  /// How good the mask is; nil for methods that prove nothing.
  public let certificate: Certificate?

  /// The share of the magnitude that is kept; 1 where there is none to keep.
  public var retained: Double { totalMagnitude > 0 ? keptMagnitude / totalMagnitude : 1 }

  /// The share of the entries that are kept; nil for a matrix without entries.
  public var density: Double? {
    let entries = layout.rows * layout.columns
    return entries > 0 ? Double(kept) / Double(entries) : nil
  }

  /// Puts a solution together from the outcomes of all its bands, in their order.
  ///
  /// - Throws: `SolveError.sumOverflows` where a sum is not finite.
  public init(
    layout: MaskLayout,
    mask: Mask,
    outcomes: [MaskOutcome]
  ) throws(SolveError) {
    var total = MaskOutcome()
    for outcome in outcomes { total += outcome }
    guard total.totalMagnitude.isFinite, total.keptMagnitude.isFinite else {
      throw .sumOverflows
    }
    self.layout = layout
    self.mask = mask
    kept = total.kept
    keptMagnitude = total.keptMagnitude
    totalMagnitude = total.totalMagnitude
    certificate = total.gap.map { Certificate(score: total.keptMagnitude, gap: $0) }
  }
}
