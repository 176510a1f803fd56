// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Synchronization

extension SolverPool {
  /// Runs `body` for the indices below `count` on the workers, and waits for all of them.
  ///
  /// - Parameters:
  ///   - isClientGone: asked now and then; once true, indices that have not begun are skipped.
  ///   - body: called once for an index, for several at a time.
  /// - Returns: the results in the order of the indices; nil where the client has gone.
  func map<Result: Sendable>(
    _ count: Int,
    unless isClientGone: @autoclosure () -> Bool,
    _ body: @escaping @Sendable (Int) -> Result
  ) -> [Result]? {
    let results = Results<Result>(count: count)
    let lane = makeLane()
    for index in 0..<count {
      lane.submit {
        if !results.isCancelled.load(ordering: .relaxed) {
          let result = body(index)
          results.values.withLock { $0[index] = result }
        }
        results.done.signal()
      }
    }
    for _ in 0..<count {
      while results.done.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
        if isClientGone() { results.isCancelled.store(true, ordering: .relaxed) }
      }
    }
    if results.isCancelled.load(ordering: .relaxed) { return nil }
    return results.values.withLock { $0.compactMap { $0 } }
  }

  private final class Results<Value: Sendable>: Sendable {
    let values: Mutex<[Value?]>
    let done = DispatchSemaphore(value: 0)
    let isCancelled = Atomic<Bool>(false)

    init(count: Int) { values = Mutex([Value?](repeating: nil, count: count)) }
  }
}
