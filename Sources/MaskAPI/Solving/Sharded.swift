// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Synchronization

/// Several values of one kind, of which each thread always uses the same one.
///
/// There are as many threads as connections. On one value behind one lock they would wait for each
/// other, and for whichever of them was interrupted while it held it.
final class Sharded<Value: Sendable>: Sendable {
  private final class Shard: Sendable {
    let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
  }

  private let shards: [Shard]

  init(count: Int, _ initial: Value) {
    precondition(count.nonzeroBitCount == 1, "a thread is told its shard by some bits of a hash")
    shards = (0..<count).map { _ in Shard(initial) }
  }

  /// Calls `body` with the value of the calling thread.
  func withLock<Result>(_ body: (inout sending Value) -> sending Result) -> sending Result {
    // Fibonacci hashing: threads' addresses differ in a few bits in the middle.
    let hash = UInt64(pthread_self()) &* 0x9E37_79B9_7F4A_7C15
    return shards[Int(hash >> 58) & (shards.count - 1)].value.withLock(body)
  }

  /// The values of all threads.
  var values: [Value] { shards.map { $0.value.withLock { $0 } } }
}
