// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Sparsity

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct RegularMatrixEstimateTests {
  /// The stated error holds wherever an exact count is quick.
  @Test func errorIsAsStated() {
    for m in Array(12...18) + [21, 24, 27, 32, 40, 48, 56, 64] {
      for n in 1...(m / 2) {
        let count = RegularMatrixCount(n: n, m: m)
        guard count.cost < 2e6 else { break }
        let estimate = RegularMatrixEstimate(n: n, m: m)
        let error = abs(estimate.log2 - count.value().log2) * log(2)
        #expect(error <= estimate.relativeError, "\(n):\(m) off by \(error)")
        // Within a factor of 40 of the truth: the bound says something.
        if n > 1 { #expect(error > estimate.relativeError / 40, "\(n):\(m) off by \(error)") }
      }
    }
  }

  /// Counts that take the exact method a minute.
  @Test(arguments: [
    (
      11, 22,
      "73598361490497320315061303329860141625489297388873097402577973995078"
        + "475595177219907273524251166598220695445665280"
    ),
    (
      8, 32,
      "45144549199145962339808087626323918207716833956175351612835617938902"
        + "86742530255981740513912577815747528898020130451489176093301009637099"
        + "37579712919402906194724901739122106559170063892914835760734375000"
    ),
    (
      12, 24,
      "41166741168628144936713296088571382312319541605035039202139739426526"
        + "71013055331648718115379871862343477247079104674049753745796074723000" + "0"
    ),
  ])
  func largerCounts(n: Int, m: Int, digits: String) throws {
    let exact = try #require(BigUInt(digits, radix: 10))
    let estimate = try Diversity.tile(Pattern(n: n, m: m))
    let error = abs(estimate.log2 - exact.log2) * log(2)
    #expect(!estimate.isExact && error <= estimate.relativeError, "off by \(error)")
  }

  @Test func tilesChooseTheExactCountWhereItIsQuick() throws {
    for (n, m, isExact) in [
      (8, 16, true), (10, 20, true), (6, 32, true), (26, 32, true), (4, 64, true),
      (60, 64, true), (16, 32, false), (12, 24, false), (32, 64, false), (8, 64, false),
    ] {
      let count = try Diversity.tile(Pattern(n: n, m: m))
      #expect(count.isExact == isExact, "\(n):\(m)")
      #expect((count.decimal != nil) == isExact)
      #expect(isExact ? count.relativeError == 0 : count.relativeError > 0)
      #expect(count.relativeError < 1e-5)
      // More than independent rows and columns would leave, less than independent rows alone.
      let rows = Double(m) * binomialCoefficient(m, n).log2
      #expect(count.log2 < rows)
      #expect(count.log2 > 2 * rows - binomialCoefficient(m * m, n * m).log2 - 1)
    }
  }

  @Test func onesAndZerosTradePlaces() throws {
    for (n, m) in [(16, 32), (10, 24), (7, 64), (31, 64)] {
      let count = try Diversity.tile(Pattern(n: n, m: m))
      #expect(try count == Diversity.tile(Pattern(n: m - n, m: m)))
    }
  }
}
