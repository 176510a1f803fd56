// SPDX-License-Identifier: GPL-3.0-or-later

internal import CScheduler
import Dispatch
import Foundation
import Synchronization

/// A fixed number of threads that solve pieces of many requests, in turn between requests.
///
/// Each request has a lane of its own. Workers take one piece from the lane whose turn it is, so a
/// small request does not wait behind all the pieces of a large one.
final class SolverPool: Sendable {
  /// The pieces of one request that no worker has taken yet.
  final class Lane: Sendable {
    fileprivate let pieces = Mutex<[@Sendable () -> Void]>([])
    fileprivate let pool: SolverPool

    fileprivate init(pool: SolverPool) { self.pool = pool }

    /// Hands a piece of work to the pool; pieces of a lane start in their order.
    func submit(_ piece: @escaping @Sendable () -> Void) {
      pieces.withLock { $0.append(piece) }
      pool.rotation.withLock { $0.append(self) }
      pool.available.signal()
    }
  }

  /// The number of worker threads.
  let threadCount: Int
  /// The solvers that workers share.
  let solvers = SolverCache()
  /// The memory that bands are received into.
  let bands = BandMemory()

  /// One entry for each piece that waits: a lane with many of them comes round again and again.
  private let rotation = Mutex<Rotation>(Rotation())
  private let available = DispatchSemaphore(value: 0)
  /// The threads that work beside the pool's own.
  private let helpers = Atomic(0)
  private let isStopped = Atomic<Bool>(false)

  /// Starts `threadCount` workers.
  init(threadCount: Int) {
    precondition(threadCount > 0)
    self.threadCount = threadCount
    for index in 0..<threadCount {
      let thread = Thread { [self] in work() }
      thread.name = "solver-\(index)"
      thread.start()
    }
  }

  /// A lane for one request.
  func makeLane() -> Lane { Lane(pool: self) }

  /// The number of pieces that no worker has taken yet.
  var queueDepth: Int { rotation.withLock { $0.count } }

  /// Runs a piece on the calling thread, unless there are as many such threads as workers already.
  ///
  /// - Returns: whether it was run.
  func help(_ piece: () -> Void) -> Bool {
    defer { helpers.subtract(1, ordering: .relaxed) }
    guard helpers.add(1, ordering: .relaxed).newValue <= threadCount else { return false }
    piece()
    return true
  }

  /// Lets the workers end once all pieces are done.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    for _ in 0..<threadCount { available.signal() }
  }

  private func work() {
    // A worker that wakes up for a band would otherwise drive out the thread that reads the next
    // one, or the client that sends it. The slice is the least that Linux gives: with its usual 3 ms,
    // a thread that answers /healthz may wait for a tick of the clock longer, beside solvers that
    // are busy for good.
    scheduler_set_batch(100_000)
    while true {
      available.wait()
      guard let lane = rotation.withLock({ $0.next() }) else {
        if isStopped.load(ordering: .acquiring) { return }
        continue
      }
      let piece = lane.pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
      piece?()
    }
  }

  /// The lanes that have work, each once in the order of their turns, with how much they have.
  private struct Rotation {
    private var turns: [Lane] = []
    private var waiting: [ObjectIdentifier: Int] = [:]
    private(set) var count = 0

    mutating func append(_ lane: Lane) {
      let id = ObjectIdentifier(lane)
      if waiting[id] == nil { turns.append(lane) }
      waiting[id, default: 0] += 1
      count += 1
    }

    mutating func next() -> Lane? {
      guard !turns.isEmpty else { return nil }
      let lane = turns.removeFirst()
      let id = ObjectIdentifier(lane)
      let left = (waiting[id] ?? 1) - 1
      count -= 1
      if left > 0 {
        waiting[id] = left
        turns.append(lane)
      } else {
        waiting[id] = nil
      }
      return lane
    }
  }
}
