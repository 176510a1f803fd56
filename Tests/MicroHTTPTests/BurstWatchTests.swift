// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import MicroHTTP

struct BurstWatchTests {
  /// The looks, by number, that say a burst is over.
  private func looks(_ seen: [(open: Int, peak: Int)]) -> [Int] {
    var watch = BurstWatch()
    return seen.indices.filter { watch.isOver(open: seen[$0].open, peak: seen[$0].peak) }
  }

  @Test func aBurstIsOverOnce() {
    let burst = [(0, 0), (500, 500), (900, 1000), (10, 900)]
    #expect(looks(burst + [(0, 10), (0, 0)]) == [5])
    #expect(looks(burst + [(Int, Int)](repeating: (0, 0), count: 20)) == [5])
  }

  @Test func twoBurstsAreOverTwice() {
    let burst = [(64, 64), (0, 64), (0, 0), (0, 0)]
    #expect(looks(burst + burst) == [3, 7])
  }

  @Test func fewClientsAreNoBurst() {
    #expect(looks([(63, 63), (0, 63), (0, 0), (0, 0), (0, 0)]) == [])
  }

  @Test func aBurstThatGoesOnIsNotOver() {
    #expect(looks([(100, 100), (20, 100), (20, 20), (25, 30), (20, 30), (20, 20)]) == [])
    // Between two looks all of it may come and go.
    #expect(looks([(0, 200), (0, 0), (0, 0)]) == [2])
  }

  @Test func connectionsThatComeAndGoBetweenTwoLooksAreSeen() {
    let engine = Engine(configuration: ServerConfiguration(), handler: TestApplication()) { _ in }
    func connections(_ count: Int) -> [Connection] {
      (0..<count).map { _ in
        Connection(socket: -1, remoteAddress: "", isSecure: false, deadline: .max)
      }
    }
    var watch = BurstWatch()
    for count in [63, 64] {
      let burst = connections(count)
      for connection in burst { engine.add(connection) }
      for connection in burst { engine.remove(connection) }
      let looks = (0..<4).map { _ in engine.giveBackMemory(&watch) }
      #expect(looks == [false, false, count == 64, false])
    }
  }
}
