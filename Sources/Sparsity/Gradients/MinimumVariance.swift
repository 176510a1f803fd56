// SPDX-License-Identifier: GPL-3.0-or-later

/// The unbiased estimator of least variance that keeps n of m.
///
/// An unbiased estimator that keeps entry i with probability p_i > 0 has variance at least
/// sum a_i^2 (1/p_i - 1), with equality when the kept value is a_i / p_i. Under sum p_i <= n and
/// p_i <= 1 the minimum is at p_i = min(1, c a_i) (Karush-Kuhn-Tucker): the k entries that reach 1
/// are kept as they are, and the rest share the magnitude T = S / (n - k), S being their sum.
///
/// The n - k are drawn by systematic sampling: lay the rest end to end on a line of length S and
/// keep the entries under n - k needles T apart, the first uniform on [0, T). An entry of length
/// a_i <= T meets at most one needle, and meets one with probability a_i / T.
///
/// Source: W. G. Madow, "On the theory of systematic sampling, II", Ann. Math. Statist. 20 (1949)
/// 333-354; the criterion for gradients is that of arXiv:2203.10991.
struct MinimumVariance {
  let n: Int
  private let bits: Int

  init(n: Int, m: Int) {
    self.n = n
    bits = MagnitudeScale.bits(m: m)
  }

  /// Who is saturated, and the line that the others lie on.
  struct Plan {
    /// The number still to be drawn, n - k.
    var draws: Int
    /// The length of the line, in units.
    var total: UInt64
    var scale: MagnitudeScale
    /// The magnitude of a drawn entry, T.
    var magnitude: Double
  }

  /// Fills in `scaled`: zero for saturated entries, whose `kept` is set.
  ///
  /// - Precondition: more than n entries are not zero.
  /// - Complexity: O(m (k + 1)) for k saturated entries.
  borrowing func plan(_ group: borrowing GroupWorkspace) -> Plan {
    let m = group.m
    var draws = n
    while true {
      var largest = 0.0
      var position = 0
      for index in 0..<m where !group.kept[index] && group.magnitudes[index] > largest {
        largest = group.magnitudes[index]
        position = index
      }
      let scale = MagnitudeScale(largest: largest, bits: bits)
      var total: UInt64 = 0
      for index in 0..<m {
        let scaled = group.kept[index] ? 0 : scale.scaled(group.magnitudes[index])
        group.scaled[index] = scaled
        total += scaled
      }
      // Decided in integers, so that what stays on the line is shorter than the needles' distance
      // without any doubt. The last draw needs no test: nothing is longer than the whole line.
      if draws > 1 {
        if group.scaled[position] * UInt64(draws) >= total {
          group.kept[position] = true
          draws -= 1
          continue
        }
      }
      let magnitude = scale.value(total) / Double(draws)
      return Plan(draws: draws, total: total, scale: scale, magnitude: magnitude)
    }
  }

  /// Estimates the group that `group` has loaded.
  borrowing func estimate(
    _ group: borrowing GroupWorkspace,
    nonZeros: Int,
    random: Philox.Block
  ) -> GroupOutcome {
    var outcome = GroupOutcome()
    outcome.kept = min(n, nonZeros)
    guard nonZeros > n else {
      for index in 0..<group.m where group.magnitudes[index] != 0 {
        if !group.keepUnchanged(index), outcome.overflow < 0 { outcome.overflow = index }
      }
      return outcome
    }
    let plan = plan(group)
    let isTooLarge = plan.magnitude > Double(Float.greatestFiniteMagnitude)
    let magnitude = roundStochastically(plan.magnitude, bits: random.high)

    // Needle t stands at floor((first + t total) / draws): with total = quotient x draws + rest
    // that is t x quotient + floor((first + t rest) / draws), which cannot overflow.
    let draws = UInt64(plan.draws)
    let first = uniformThreshold(below: plan.total, bits: random.low)
    let (quotient, rest) = plan.total.quotientAndRemainder(dividingBy: draws)
    var needle = first / draws
    var remainder = first % draws
    var end: UInt64 = 0
    var sum = 0.0
    for index in 0..<group.m {
      if group.kept[index] {
        if !group.keepUnchanged(index), outcome.overflow < 0 { outcome.overflow = index }
        continue
      }
      let length = group.scaled[index]
      // T - a_i is the difference of two integers, so nothing cancels and nothing is negative.
      sum += group.magnitudes[index] * Double(plan.total - draws * length)
      if isTooLarge, outcome.overflow < 0, group.magnitudes[index] != 0 { outcome.overflow = index }
      end += length
      if needle < end {
        group.keep(index, magnitude: magnitude)
        needle += quotient
        remainder += rest
        if remainder >= draws {
          remainder -= draws
          needle += 1
        }
      }
    }
    let unit = MagnitudeScale.multiply(1, byTwoTo: plan.scale.unitExponent)
    outcome.variance = sum * unit / Double(plan.draws)
    return outcome
  }

  /// Writes the probability of each entry to be kept.
  borrowing func probabilities(
    _ group: borrowing GroupWorkspace,
    nonZeros: Int,
    into destination: UnsafeMutablePointer<Double>,
    stride: Int
  ) {
    let plan = nonZeros > n ? plan(group) : nil
    for index in 0..<group.m {
      let magnitude = group.magnitudes[index]
      if magnitude == 0 {
        destination[index * stride] = 0
      } else if let plan, !group.kept[index] {
        // Not by the plan's magnitude, which has few bits where it is subnormal.
        let length = MagnitudeScale.multiply(magnitude, byTwoTo: -plan.scale.unitExponent)
        destination[index * stride] = length / (Double(plan.total) / Double(plan.draws))
      } else {
        destination[index * stride] = 1
      }
    }
  }
}
