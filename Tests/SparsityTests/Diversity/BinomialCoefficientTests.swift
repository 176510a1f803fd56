// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Sparsity

@Suite struct BinomialCoefficientTests {
  @Test func pascal() {
    var row: [BigUInt] = [1]
    for total in 1...80 {
      row = (0...total).map { ($0 > 0 ? row[$0 - 1] : 0) + ($0 < total ? row[$0] : 0) }
      for chosen in 0...total { #expect(binomialCoefficient(total, chosen) == row[chosen]) }
    }
  }

  /// The series against exact integers, on both sides of where it starts.
  @Test func logarithmsAgreeWithIntegers() {
    for total in [1, 2, 17, 64, 128, 129, 130, 131, 140, 200, 513, 1000, 4096] {
      for chosen in Set([0, 1, 2, 10, 63, 64, 65, 66, total / 3, total / 2, total - 65, total])
      where chosen >= 0 && chosen <= total {
        let exact = binomialCoefficient(total, chosen).log2
        let series = log2BinomialCoefficient(total, chosen)
        #expect(abs(series - exact) <= 1e-14 * exact, "C(\(total), \(chosen))")
      }
    }
  }

  /// A 65536 x 65536 matrix: close to the entropy, less half the logarithm of pi T / 2.
  @Test func largeMatrices() throws {
    for exponent in [16, 24, 32, 40, 52] {
      let total = 1 << exponent
      let value = log2BinomialCoefficient(total, total / 2)
      // log2 C(T, T / 2) = T - log2(pi T / 2) / 2 - log2(e) / (4 T) + O(T^-3)
      let expected =
        Double(total) - (BigUInt(1 << 60).log2 - 60 + Double(exponent) + 0.6514961294723188) / 2
        - 1.4426950408889634 / 4 / Double(total)
      #expect(abs(value - expected) <= 1e-14 * expected, "2^\(exponent)")
    }
    let matrix = try MatrixDiversity(
      rows: 65536,
      columns: 65536,
      pattern: Pattern(n: 2, m: 4)
    )
    #expect(matrix.unstructured.log2.isFinite)
    #expect(abs(matrix.unstructured.bitsPerWeight - 1) < 1e-8)
    let group = Diversity.group(matrix.pattern)
    #expect(abs(try #require(matrix.row(group)).log2 / 0x1p32 - 0.6462406252) < 6e-11)
  }

  @Test func logarithmsOfBigNumbers() {
    for bits in [1, 2, 63, 64, 65, 200, 1000] {
      #expect((BigUInt(1) << bits).log2 == Double(bits))
      #expect(abs((BigUInt(3) << bits).log2 - Double(bits) - 1.584962500721156) < 1e-12)
    }
    #expect(BigUInt(1).log2 == 0)
  }
}
