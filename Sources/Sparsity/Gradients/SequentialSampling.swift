// SPDX-License-Identifier: GPL-3.0-or-later

/// The cheaper unbiased rule for n <= 2: draws without replacement, each in proportion to the
/// magnitudes that are left.
///
/// With S the sum of a group, entry i is kept with probability
/// p_i = a_i / S + sum_{j != i} (a_j / S) a_i / (S - a_j), so its kept value is
/// a_i / p_i = S / (1 + sum_{j != i} a_j / (S - a_j)). Its variance is between 1 and 2 times the
/// least possible.
///
/// Source: D. Raj, "Some estimators in sampling with varying probabilities without replacement",
/// J. Amer. Statist. Assoc. 51 (1956) 269-284, for the two draws; arXiv:2203.10991 for the use.
struct SequentialSampling {
  let n: Int
  private let bits: Int

  init(n: Int, m: Int) {
    precondition(n <= 2)
    self.n = n
    bits = MagnitudeScale.bits(m: m)
  }

  /// Estimates the group that `group` has loaded.
  ///
  /// - Parameters:
  ///   - random: the bits of the draws.
  ///   - rounding: the bits that round the kept values.
  /// - Complexity: O(m).
  borrowing func estimate(
    _ group: borrowing GroupWorkspace,
    nonZeros: Int,
    random: Philox.Block,
    rounding: Philox.Block
  ) -> GroupOutcome {
    var outcome = GroupOutcome()
    outcome.kept = min(n, nonZeros)
    guard nonZeros > n else {
      for index in 0..<group.m where group.magnitudes[index] != 0 {
        if !group.keepUnchanged(index), outcome.overflow < 0 { outcome.overflow = index }
      }
      return outcome
    }
    let model = Model(group, n: n)
    for index in 0..<group.m where group.magnitudes[index] != 0 {
      let value = model.keptMagnitude(group, index)
      if value > Double(Float.greatestFiniteMagnitude), outcome.overflow < 0 {
        outcome.overflow = index
      }
      outcome.variance += group.magnitudes[index] * model.excess(group, index, keptAs: value)
    }
    var bitsOfDraw = random.low
    var bitsOfRounding = rounding.low
    for _ in 0..<n {
      let index = draw(group, bits: bitsOfDraw)
      group.keep(
        index,
        magnitude: roundStochastically(model.keptMagnitude(group, index), bits: bitsOfRounding)
      )
      bitsOfDraw = random.high
      bitsOfRounding = rounding.high
    }
    return outcome
  }

  /// Writes the probability of each entry to be kept.
  borrowing func probabilities(
    _ group: borrowing GroupWorkspace,
    nonZeros: Int,
    into destination: UnsafeMutablePointer<Double>,
    stride: Int
  ) {
    guard nonZeros > n else {
      for index in 0..<group.m {
        destination[index * stride] = group.magnitudes[index] == 0 ? 0 : 1
      }
      return
    }
    let model = Model(group, n: n)
    // The quotient is taken near 1, because a kept magnitude that is subnormal has few bits.
    let unit = -Int(model.sum.exponent)
    let sum = MagnitudeScale.multiply(model.sum, byTwoTo: unit)
    for index in 0..<group.m {
      let magnitude = MagnitudeScale.multiply(group.magnitudes[index], byTwoTo: unit)
      destination[index * stride] =
        magnitude == 0 ? 0 : min(1, magnitude / (sum / model.divisor(group, index)))
    }
  }

  /// Draws one of the entries that are not kept yet, in proportion to its magnitude.
  ///
  /// The unit is that of the largest of them, so that a second draw among small entries is as fine
  /// as the first.
  private borrowing func draw(_ group: borrowing GroupWorkspace, bits random: UInt64) -> Int {
    var largest = 0.0
    for index in 0..<group.m where !group.kept[index] {
      largest = max(largest, group.magnitudes[index])
    }
    let scale = MagnitudeScale(largest: largest, bits: bits)
    var total: UInt64 = 0
    for index in 0..<group.m where !group.kept[index] {
      total += scale.scaled(group.magnitudes[index])
    }
    let needle = uniformThreshold(below: total, bits: random)
    var end: UInt64 = 0
    for index in 0..<group.m where !group.kept[index] {
      end += scale.scaled(group.magnitudes[index])
      if needle < end { return index }
    }
    preconditionFailure("the needle lies below the total")
  }

  /// The probabilities of one group, without any difference of nearly equal numbers.
  private struct Model {
    let n: Int
    /// S.
    let sum: Double
    /// The sum over all j of a_j / (S - a_j).
    private let odds: Double

    /// Fills the group's scratch with S - a_i, added up from the other entries.
    init(_ group: borrowing GroupWorkspace, n: Int) {
      let m = group.m
      self.n = n
      var before = 0.0
      for index in 0..<m {
        group.scratch[index] = before
        before += group.magnitudes[index]
      }
      sum = before
      var after = 0.0
      var odds = 0.0
      for index in (0..<m).reversed() {
        group.scratch[index] += after
        after += group.magnitudes[index]
        odds += group.magnitudes[index] / group.scratch[index]
      }
      self.odds = odds
    }

    /// a_i / p_i.
    func keptMagnitude(_ group: borrowing GroupWorkspace, _ index: Int) -> Double {
      sum / divisor(group, index)
    }

    /// S p_i / a_i.
    func divisor(_ group: borrowing GroupWorkspace, _ index: Int) -> Double {
      guard n == 2 else { return 1 }
      let own = group.magnitudes[index] / group.scratch[index]
      // An entry that outweighs the others makes most of the sum of odds, so that subtracting it
      // would leave nothing.
      guard own > 0.5 * odds else { return 1 + (odds - own) }
      var others = 0.0
      for other in 0..<group.m where other != index {
        others += group.magnitudes[other] / group.scratch[other]
      }
      return 1 + others
    }

    /// a_i / p_i - a_i, which is never negative.
    func excess(_ group: borrowing GroupWorkspace, _ index: Int, keptAs value: Double) -> Double {
      let magnitude = group.magnitudes[index]
      guard n == 2 else { return group.scratch[index] }
      guard 2 * magnitude > value else { return value - magnitude }
      // p_i > 1/2, true of four entries at most: 1 - p_i is the probability that first some j and
      // then neither j nor i comes up, sum_j (a_j / S) (S - a_i - a_j) / (S - a_j).
      let rest = group.scratch + group.m
      var before = 0.0
      for other in 0..<group.m where other != index {
        rest[other] = before
        before += group.magnitudes[other]
      }
      var after = 0.0
      var missed = 0.0
      for other in (0..<group.m).reversed() where other != index {
        rest[other] += after
        after += group.magnitudes[other]
        missed += group.magnitudes[other] * (rest[other] / group.scratch[other])
      }
      return value * (missed / sum)
    }
  }
}
