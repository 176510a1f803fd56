// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import Sparsity

@Suite struct DiversityTests {
  private func tile(_ n: Int, _ m: Int) throws -> MaskCount {
    try Diversity.tile(Pattern(n: n, m: m))
  }

  private func paper(_ n: Int, _ m: Int) throws -> MaskCount {
    try Diversity.paperTile(Pattern(n: n, m: m))
  }

  /// Masks of an 8 x 8 matrix at one half.
  @Test func eightByEight() throws {
    let total = 64
    #expect(String(binomialCoefficient(total, 32)) == "1832624140942590534")
    let expected: [(Int, Int, String)] = [
      (4, 8, "576480100000000"), (2, 4, "2821109907456"), (1, 2, "4294967296"),
    ]
    for (n, m, count) in expected {
      let group = binomialCoefficient(m, n)
      #expect(String(group.power(total / m)) == count)
      let matrix = try MatrixDiversity(rows: 8, columns: 8, pattern: Pattern(n: n, m: m))
      let row = try #require(matrix.row(Diversity.group(matrix.pattern)))
      let wanted = try #require(BigUInt(count, radix: 10)).log2
      #expect(abs(row.log2 - wanted) < 1e-13 * wanted)
      #expect(row == matrix.column(Diversity.group(matrix.pattern)))
      #expect(abs(matrix.unstructured.log2 - BigUInt(1_832_624_140_942_590_534).log2) < 1e-13)
    }
    #expect(try paper(4, 8).decimal == "17557585920000")
    #expect(try paper(2, 4).value?.power(4) == 429_981_696)
    #expect(try tile(4, 8).decimal == "116963796250")
    #expect(try tile(2, 4).value?.power(4) == 65_610_000)
  }

  /// Where the paper's formula is right, and where it is off, in both directions.
  @Test(arguments: [
    (1, 2, "2", "2"), (1, 4, "24", "24"), (1, 8, "40320", "40320"),
    (1, 16, "20922789888000", "20922789888000"),
    (2, 4, "90", "144"), (4, 8, "116963796250", "17557585920000"),
    (
      8, 16, "34812290428176298285394893936773707951192224124239796250",
      "373961265887415316655268275009091299071421424352394792140800000000000000000"
    ),
    (3, 4, "24", "288"), (4, 4, "1", "288"), (3, 6, "297200", "2073600"),
    (2, 8, "187530840", "203212800"), (2, 10, "1371785398200", "1316818944000"),
  ])
  func paperFormula(n: Int, m: Int, count: String, formula: String) throws {
    let exact = try tile(n, m)
    #expect(exact.decimal == count && exact.isExact && exact.relativeError == 0)
    #expect(try paper(n, m).decimal == formula)
  }

  @Test func ratiosOfThePaper() throws {
    for (n, m, ratio) in [
      (2, 4, 1.6), (4, 8, 150.111286), (8, 16, 1.0742e19), (3, 4, 12), (4, 4, 288),
      (3, 6, 6.977), (2, 8, 1.0836), (2, 10, 0.9599),
    ] {
      let measured = try Rational(
        BigInt(#require(paper(n, m).value)),
        BigInt(#require(tile(n, m).value))
      ).double
      #expect(abs(measured - ratio) < 1e-4 * ratio, "\(n):\(m)")
    }
    // At 8:16 it exceeds the count of the masks that need not be transposable at all.
    let rows = binomialCoefficient(16, 8).power(16)
    #expect(try #require(paper(8, 16).value) > rows)
    let group = try Diversity.group(Pattern(n: 8, m: 16))
    #expect(abs(rows.log2 - group.log2 * 16) < 1e-10)
  }

  @Test func bitsPerWeight() throws {
    let row = [(2, 4, 0.6462406252), (4, 8, 0.7661603771), (8, 16, 0.8532327771)]
    for (n, m, bits) in row {
      let matrix = try MatrixDiversity(rows: 64, columns: 48, pattern: Pattern(n: n, m: m))
      let count = try #require(matrix.row(Diversity.group(matrix.pattern)))
      #expect(abs(count.bitsPerWeight - bits) < 6e-11)
      #expect(abs(count.log2 - count.bitsPerWeight * 64 * 48) < 1e-9)
    }
    let transposable = [
      (2, 4, 0.4057408185, 0.4481203126), (4, 8, 0.5744886107, 0.6874556208),
      (8, 16, 0.7207251639, 0.9676779995),
    ]
    for (n, m, bits, paperBits) in transposable {
      let matrix = try MatrixDiversity(rows: 64, columns: 48, pattern: Pattern(n: n, m: m))
      let exact = try #require(try matrix.transposable(tile(n, m)))
      #expect(abs(exact.bitsPerWeight - bits) < 6e-11)
      let formula = try #require(try matrix.transposable(paper(n, m)))
      #expect(abs(formula.bitsPerWeight - paperBits) < 6e-11)
    }
  }

  /// What the paper argues from its formula, that 4:8 transposable leaves more freedom than 2:4
  /// along rows, is the other way round.
  @Test func theOrderReverses() throws {
    let pattern = try Pattern(n: 2, m: 4)
    let row = try #require(
      MatrixDiversity(rows: 8, columns: 8, pattern: pattern).row(Diversity.group(pattern))
    )
    let eight = try MatrixDiversity(rows: 8, columns: 8, pattern: Pattern(n: 4, m: 8))
    let claimed = try #require(eight.transposable(paper(4, 8)))
    let actual = try #require(eight.transposable(tile(4, 8)))
    #expect(claimed.log2 > row.log2)
    #expect(actual.log2 < row.log2)
    let factor = Rational(2_821_109_907_456, 116_963_796_250).double
    #expect(abs(factor - 24.12) < 0.005)
    // 8:16 transposable does beat 2:4 along rows.
    let sixteen = try MatrixDiversity(rows: 16, columns: 16, pattern: Pattern(n: 8, m: 16))
    #expect(try #require(sixteen.transposable(tile(8, 16))).bitsPerWeight > row.bitsPerWeight)
  }

  @Test func groupsAreExactBeyondMachineWords() throws {
    #expect(try Diversity.group(Pattern(n: 32, m: 64)).decimal == "1832624140942590534")
    #expect(try Diversity.group(Pattern(n: 34, m: 68)).decimal == "28453041475240576740")
    let large = try Diversity.group(Pattern(n: 512, m: 1024))
    #expect(large.value?.bitWidth == 1019)
    #expect(abs(large.log2 - 1018.6739) < 1e-4)
    #expect(try Diversity.group(Pattern(n: 5, m: 5)).log2 == 0)
    #expect(abs(try tile(8, 16).log2 - 184.51) < 5e-3)
    #expect(try tile(6, 12).decimal == "64051375889927380035549804336")
  }

  @Test func everythingKept() throws {
    for m in [1, 2, 7, 16, 32, 64] {
      let pattern = try Pattern(n: m, m: m)
      let matrix = try MatrixDiversity(rows: 2 * m, columns: 3 * m, pattern: pattern)
      #expect(try tile(m, m).decimal == "1")
      #expect(matrix.unstructured.log2 == 0)
      #expect(matrix.row(Diversity.group(pattern))?.log2 == 0)
      #expect(try matrix.transposable(tile(m, m))?.log2 == 0)
    }
  }

  @Test func sidesThatDoNotDivide() throws {
    let pattern = try Pattern(n: 2, m: 4)
    let group = Diversity.group(pattern)
    let matrix = try MatrixDiversity(rows: 8, columns: 6, pattern: pattern)
    #expect(matrix.row(group) == nil)
    #expect(matrix.column(group) != nil)
    #expect(try matrix.transposable(tile(2, 4)) == nil)
    let odd = try MatrixDiversity(rows: 3, columns: 3, pattern: pattern)
    // floor(9 / 2) = 4 of 9.
    #expect(abs(odd.unstructured.log2 - BigUInt(126).log2) < 1e-14)
    let empty = try MatrixDiversity(rows: 0, columns: 8, pattern: pattern)
    #expect(empty.unstructured.log2 == 0 && empty.unstructured.bitsPerWeight == 0)
    #expect(empty.row(group)?.bitsPerWeight == 0)
    #expect(throws: DiversityError.negativeSide(-1)) {
      try MatrixDiversity(rows: 4, columns: -1, pattern: pattern)
    }
    #expect(throws: DiversityError.tooManyEntries(rows: 1 << 40, columns: 1 << 40)) {
      try MatrixDiversity(rows: 1 << 40, columns: 1 << 40, pattern: pattern)
    }
    #expect(throws: PatternError.groupSizeTooLarge(m: 65, structure: .transposable)) {
      try tile(1, 65)
    }
  }
}
