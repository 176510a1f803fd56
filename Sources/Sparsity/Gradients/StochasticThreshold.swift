// SPDX-License-Identifier: GPL-3.0-or-later

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The threshold at which stochastic pruning leaves a given share of zeros, under the lognormal
/// law of a tensor.
///
/// An entry below the threshold a becomes a, with its sign, with probability |x| / a, and zero
/// otherwise: unbiased. With t = ln(a / e^mu) / s the share that is kept of a lognormal tensor is
/// E min(1, |x| / a) = 1 - Phi(t) + phi(t) Phi(t - s) / phi(t - s).
///
/// Source: arXiv:2006.08173. The form here follows from
/// e^(s^2 / 2) e^(-s t) = phi(t) / phi(t - s), and does not overflow for large s.
public struct StochasticThreshold: Sendable, Hashable {
  /// The share of zeros asked for.
  public let sparsity: Double
  /// The mean of ln |x| of the fit.
  public let mean: Double
  /// The standard deviation of ln |x| of the fit.
  public let deviation: Double
  /// Entries from here on are kept as they are; zero if the tensor has enough zeros already.
  public let threshold: Float

  /// Finds the threshold.
  ///
  /// - Parameters:
  ///   - fit: the law of the whole tensor.
  ///   - sparsity: the share of all entries to be zero, in 0 ..< 1. Entries that are zero already
  ///     count towards it.
  /// - Throws: `GradientError.sparsityOutOfRange`, or `.thresholdTooLarge` if float32 has no such
  ///   number.
  public init(fit: LognormalFit, sparsity: Double) throws(GradientError) {
    guard sparsity >= 0, sparsity < 1 else { throw .sparsityOutOfRange(sparsity) }
    self.sparsity = sparsity
    mean = fit.mean
    deviation = fit.deviation
    guard fit.count > fit.zeros, sparsity > fit.zeroFraction else {
      threshold = 0
      return
    }
    let kept = (1 - sparsity) / (1 - fit.zeroFraction)
    let logarithm = mean + StochasticThreshold.logRatio(keeping: kept, deviation: deviation)
    let value = Float(exp(logarithm))
    guard value.isFinite else { throw .thresholdTooLarge }
    threshold = value
  }

  /// ln(a / e^mu) such that a share `kept` of a lognormal tensor is kept.
  ///
  /// - Precondition: 0 < `kept` < 1.
  static func logRatio(keeping kept: Double, deviation: Double) -> Double {
    // E min(1, |x| / a) <= E |x| / a gives the upper end, and for s = 0 the answer.
    var upper = deviation * deviation / 2 - log(kept)
    guard deviation > 0 else { return upper }
    var width = 1.0
    var lower = upper - width
    while keptShare(logRatio: lower, deviation: deviation) < kept {
      width *= 2
      lower = upper - width
    }
    // The share falls as the threshold rises, so halving cannot fail; it ends at adjacent doubles.
    while true {
      let middle = lower + (upper - lower) / 2
      guard middle > lower, middle < upper else { return middle }
      if keptShare(logRatio: middle, deviation: deviation) < kept {
        upper = middle
      } else {
        lower = middle
      }
    }
  }

  /// The share of a lognormal tensor that is kept at a threshold.
  static func keptShare(logRatio: Double, deviation: Double) -> Double {
    let t = logRatio / deviation
    let x = t - deviation
    let above = 0.5 * erfc(t * 0.5.squareRoot())
    if x > -5 {
      return above + exp(deviation * (0.5 * deviation - t)) * 0.5 * erfc(-x * 0.5.squareRoot())
    }
    return above + exp(-0.5 * t * t) / (2 * Double.pi).squareRoot() * millsRatio(-x)
  }

  /// (1 - Phi(x)) / phi(x) for x >= 5, by Laplace's continued fraction.
  ///
  /// Source: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.2.14.
  private static func millsRatio(_ x: Double) -> Double {
    var tail = x
    for index in stride(from: 60.0, through: 1, by: -1) { tail = x + index / tail }
    return 1 / tail
  }
}
