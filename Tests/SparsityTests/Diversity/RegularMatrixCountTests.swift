// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Sparsity

@Suite struct RegularMatrixCountTests {
  /// Counts that others have published or that a direct enumeration gave.
  @Test(arguments: [
    (2, 1, "2"), (4, 1, "24"), (8, 1, "40320"), (16, 1, "20922789888000"),
    (4, 2, "90"), (4, 3, "24"), (4, 4, "1"),
    (6, 3, "297200"), (8, 2, "187530840"), (10, 2, "1371785398200"),
    (8, 4, "116963796250"), (10, 5, "6736218287430460752"),
    (12, 6, "64051375889927380035549804336"),
    (16, 4, "6892692735539278753058456514221737762215000"),
    (16, 8, "34812290428176298285394893936773707951192224124239796250"),
  ])
  func knownCounts(m: Int, n: Int, count: String) {
    #expect(RegularMatrixCount(n: n, m: m).value() == BigUInt(count, radix: 10))
  }

  /// A058528: the counts with line sum 4, from m = 4.
  @Test func lineSumFour() {
    let published = [
      "1", "120", "67950", "68938800", "116963796250", "315031400802720", "1289144584143523800",
      "7722015017013984456000", "65599839591251908982712750", "769237071909157579108571190000",
      "12163525741347497524178307740904300",
    ]
    for (index, count) in published.enumerated() {
      #expect(RegularMatrixCount(n: 4, m: index + 4).value() == BigUInt(count, radix: 10))
    }
  }

  @Test func onesAndZerosTradePlaces() {
    for m in 1...12 {
      for n in 0...m {
        #expect(
          RegularMatrixCount(n: n, m: m).value() == RegularMatrixCount(n: m - n, m: m).value()
        )
      }
    }
  }

  /// Column by column, with a table of the row sums so far: slow, obvious, and independent.
  @Test func matchesEnumeration() {
    for m in 1...5 {
      for n in 0...m {
        #expect(RegularMatrixCount(n: n, m: m).value() == BigUInt(enumerate(n: n, m: m)))
      }
    }
  }

  private func enumerate(n: Int, m: Int) -> Int {
    let columns = (0..<(1 << m)).filter { $0.nonzeroBitCount == n }
    var counts: [[Int]: Int] = [Array(repeating: 0, count: m): 1]
    for _ in 0..<m {
      var next: [[Int]: Int] = [:]
      for (sums, count) in counts {
        for column in columns {
          let updated = (0..<m).map { sums[$0] + (column >> $0 & 1) }
          if updated.allSatisfy({ $0 <= n }) { next[updated, default: 0] += count }
        }
      }
      counts = next
    }
    return counts[Array(repeating: n, count: m), default: 0]
  }
}
