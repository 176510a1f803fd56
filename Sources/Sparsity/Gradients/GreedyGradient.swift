// SPDX-License-Identifier: GPL-3.0-or-later

/// The n largest magnitudes of a group, as they are: the least squared error, but biased.
///
/// Among equal magnitudes the one that comes first is kept. Zeros are not kept.
struct GreedyGradient {
  let n: Int

  /// Estimates the group that `group` has loaded.
  ///
  /// - Complexity: O(m min(n, m - n)).
  borrowing func estimate(_ group: borrowing GroupWorkspace, nonZeros: Int) -> GroupOutcome {
    var outcome = GroupOutcome()
    outcome.kept = min(n, nonZeros)
    select(group, nonZeros: nonZeros)
    for index in 0..<group.m {
      let magnitude = group.magnitudes[index]
      if !group.kept[index] {
        outcome.squaredBias += magnitude * magnitude
      } else if !group.keepUnchanged(index), outcome.overflow < 0 {
        outcome.overflow = index
      }
    }
    return outcome
  }

  /// Writes 1 for what is kept and 0 for the rest.
  borrowing func probabilities(
    _ group: borrowing GroupWorkspace,
    nonZeros: Int,
    into destination: UnsafeMutablePointer<Double>,
    stride: Int
  ) {
    select(group, nonZeros: nonZeros)
    for index in 0..<group.m { destination[index * stride] = group.kept[index] ? 1 : 0 }
  }

  private borrowing func select(_ group: borrowing GroupWorkspace, nonZeros: Int) {
    let m = group.m
    let keptCount = min(n, nonZeros)
    if keptCount <= m / 2 {
      for _ in 0..<keptCount {
        var best = -1
        for index in 0..<m
        where !group.kept[index] && (best < 0 || group.magnitudes[index] > group.magnitudes[best]) {
          best = index
        }
        group.kept[best] = true
      }
    } else {
      for index in 0..<m { group.kept[index] = true }
      for _ in keptCount..<m {
        var worst = -1
        for index in 0..<m
        where group.kept[index]
          && (worst < 0 || group.magnitudes[index] <= group.magnitudes[worst])
        {
          worst = index
        }
        group.kept[worst] = false
      }
    }
  }
}
