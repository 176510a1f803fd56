// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes
import Sparsity

/// How long a mask will take, roughly, before it is begun.
///
/// Only for `min_cost_flow`, which is hundreds of times slower than `exact`. GLPK's out-of-kilter
/// method took 4.8 µs a tile at 2:4, 55 µs at 4:8, 0.51 ms at 8:16, 5.4 ms at 16:32 and 77 ms at
/// 32:64 on a 2025 server core: near enough 4.8 µs (m / 4)^3.5.
struct SolveEstimate {
  /// The estimated time on all threads; nil where the method is quick.
  let duration: Duration?

  init(_ layout: MaskLayout, threads: Int) {
    guard layout.specification.method == .minimumCostFlow else {
      duration = nil
      return
    }
    let m = layout.specification.pattern.m
    let tiles = Double(layout.groupedRows / m) * Double(layout.groupedColumns / m)
    let seconds = tiles * 4.8e-6 * pow(Double(m) / 4, 3.5) / Double(threads)
    duration = .seconds(seconds)
  }

  /// - Throws: 422 where the estimate is beyond `limit`.
  func check(against limit: Duration) throws(Problem) {
    guard let duration, duration > limit else { return }
    throw Problem(
      .unprocessableContent,
      "'min_cost_flow' would take about \(duration.seconds.rounded()) s for this matrix, beyond the "
        + "limit of \(limit.seconds) s. 'exact' finds the same optimum in a small part of the time.",
      pointer: "/method"
    )
  }
}
