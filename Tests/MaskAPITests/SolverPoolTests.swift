// SPDX-License-Identifier: GPL-3.0-or-later

import Dispatch
import Synchronization
import Testing

@testable import MaskAPI

struct SolverPoolTests {
  @Test("Lanes take turns: a short lane does not wait behind a long one")
  func fairness() {
    let pool = SolverPool(threadCount: 1)
    defer { pool.stop() }
    let order = Mutex<[String]>([])
    let gate = DispatchSemaphore(value: 0)
    let done = DispatchSemaphore(value: 0)
    let long = pool.makeLane()
    let short = pool.makeLane()
    // The only worker waits here until everything is queued.
    long.submit { gate.wait() }
    for index in 0..<10 {
      long.submit {
        order.withLock { $0.append("long \(index)") }
        done.signal()
      }
    }
    for index in 0..<2 {
      short.submit {
        order.withLock { $0.append("short \(index)") }
        done.signal()
      }
    }
    gate.signal()
    for _ in 0..<12 { done.wait() }
    let taken = order.withLock { $0 }
    #expect(taken.filter { $0.hasPrefix("long") } == (0..<10).map { "long \($0)" })
    #expect(taken.prefix(4).filter { $0.hasPrefix("short") }.count >= 1)
    #expect(taken.prefix(5).filter { $0.hasPrefix("short") }.count == 2)
    #expect(pool.queueDepth == 0)
  }

  @Test("As many threads help at a time as there are workers")
  func help() {
    let pool = SolverPool(threadCount: 2)
    defer { pool.stop() }
    var runs = 0
    for _ in 0..<3 {
      let outer = pool.help {
        let inner = pool.help {
          runs += 1
          #expect(!pool.help { runs += 100 })
        }
        #expect(inner)
      }
      #expect(outer)
    }
    #expect(runs == 3)
  }

  @Test("map returns results in order, and nothing once the client has gone")
  func map() {
    let pool = SolverPool(threadCount: 3)
    defer { pool.stop() }
    #expect(pool.map(100, unless: false) { $0 * $0 } == (0..<100).map { $0 * $0 })
    #expect(pool.map(0, unless: false) { $0 } == [])
    let begun = Atomic<Int>(0)
    let gone: [Void]? = pool.map(50, unless: true) { _ in
      begun.add(1, ordering: .relaxed)
      // Longer than the interval at which the client is looked at.
      _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(60))
    }
    #expect(gone == nil)
    #expect(begun.load(ordering: .relaxed) < 50)
  }
}
