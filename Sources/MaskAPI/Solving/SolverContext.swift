// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// What solving takes from around it: threads, time, memory, and someone who waits for the result.
///
/// A request fills it in from the service and its connection, a command from the machine.
struct SolverContext: Sendable {
  let pool: SolverPool
  let diversities: DiversityCache
  /// The longest to wait for solvers.
  let solveTimeout: Duration
  /// Whether the reply is made in memory, rather than written out piece by piece.
  let holdsReply: Bool
  /// Asked now and then while waiting; true stops the work.
  let isCancelled: @Sendable () -> Bool
  /// Sets memory aside, in bytes, or says why there is none.
  let reserve: @Sendable (Int) throws(Problem) -> Void

  /// How long to wait, for parameters that may ask for less.
  func timeout(_ parameters: MaskParameters) -> Duration {
    min(parameters.timeout ?? solveTimeout, solveTimeout)
  }

  /// Makes the job of a mask, within time and memory.
  ///
  /// - Parameter replySize: what a reply in memory takes, in bytes.
  /// - Throws: 422 where the job would take too long, 413 or 503 where memory is short.
  func makeMaskJob(
    _ layout: MaskLayout,
    _ dataType: DataType,
    _ parameters: MaskParameters,
    replySize: Int
  ) throws(Problem) -> MaskJob {
    let timeout = timeout(parameters)
    try SolveEstimate(layout, threads: pool.threadCount).check(against: timeout)
    try reserve(MaskJob.memory(layout, dataType, pool: pool) + (holdsReply ? replySize : 0))
    return MaskJob(
      layout: layout,
      dataType: dataType,
      pool: pool,
      timeout: timeout,
      isClientGone: isCancelled
    )
  }
}
