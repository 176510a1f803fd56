// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

struct LayoutTests {
  @Test("Numbers that are no pattern are refused by name")
  func patterns() throws {
    #expect(throws: PatternError.keptCountTooSmall(n: 0)) { try Pattern(n: 0, m: 4) }
    #expect(throws: PatternError.keptCountTooLarge(n: 5, m: 4)) { try Pattern(n: 5, m: 4) }
    #expect(throws: PatternError.groupSizeTooSmall(m: 0)) { try Pattern(n: 1, m: 0) }
    #expect(throws: PatternError.groupSizeTooSmall(m: -4)) { try Pattern(n: 1, m: -4) }
    #expect(throws: PatternError.keptCountTooSmall(n: -1)) { try Pattern(n: -1, m: 4) }
  }

  @Test("Group sizes are bounded by structure, methods belong to one")
  func specifications() throws {
    let large = try Pattern(n: 1, m: 65)
    #expect(
      throws: SpecificationError.pattern(.groupSizeTooLarge(m: 65, structure: .transposable))
    ) { try MaskSpecification(pattern: large) }
    _ = try MaskSpecification(pattern: Pattern(n: 1, m: 1024), structure: .row)
    #expect(
      throws: SpecificationError.pattern(.groupSizeTooLarge(m: 1025, structure: .column))
    ) { try MaskSpecification(pattern: Pattern(n: 1, m: 1025), structure: .column) }
    #expect(throws: SpecificationError.methodNeedsTransposable(.greedy)) {
      try MaskSpecification(pattern: large, structure: .row, method: .greedy)
    }
  }

  @Test("Each structure needs the sides that it groups to divide")
  func sides() throws {
    let pattern = try Pattern(n: 2, m: 4)
    let transposable = try MaskSpecification(pattern: pattern)
    #expect(throws: SpecificationError.indivisible(side: .rows, length: 6, m: 4)) {
      try MaskLayout(transposable, rows: 6, columns: 8)
    }
    #expect(throws: SpecificationError.indivisible(side: .columns, length: 6, m: 4)) {
      try MaskLayout(transposable, rows: 8, columns: 6)
    }
    let row = try MaskSpecification(pattern: pattern, structure: .row)
    #expect(try MaskLayout(row, rows: 3, columns: 8).groupedRows == 3)
    #expect(throws: SpecificationError.indivisible(side: .columns, length: 6, m: 4)) {
      try MaskLayout(row, rows: 4, columns: 6)
    }
    let column = try MaskSpecification(pattern: pattern, structure: .column)
    #expect(try MaskLayout(column, rows: 8, columns: 3).groupedColumns == 3)
    #expect(throws: SpecificationError.indivisible(side: .rows, length: 6, m: 4)) {
      try MaskLayout(column, rows: 6, columns: 4)
    }
  }

  @Test("Bands cover each row once, whatever the shape")
  func bands() throws {
    for structure in Structure.allCases {
      let specification = try MaskSpecification(
        pattern: Pattern(n: 2, m: 4),
        structure: structure,
        remainder: .dense
      )
      for (rows, columns) in [
        (0, 4), (1, 1), (3, 9), (4, 4), (4099, 37), (9, 100_000), (70_001, 1),
      ] {
        let layout = try MaskLayout(specification, rows: rows, columns: columns)
        let covered = (0..<layout.bandCount).flatMap { Array(layout.rows(ofBand: $0)) }
        #expect(covered == Array(0..<rows))
        for band in 0..<layout.bandCount {
          #expect(layout.rows(ofBand: band).lowerBound % layout.stripHeight == 0)
        }
      }
    }
  }

  @Test("Entries outside whole tiles stay kept with remainder dense")
  func remainder() throws {
    for (rows, columns) in [(6, 7), (4, 5), (5, 4), (3, 3), (9, 12)] {
      let problem = Problem(.normal, rows: rows, columns: columns, seed: 5)
      for structure in Structure.allCases {
        let solution = try problem.solve(1, 4, structure: structure, remainder: .dense)
        let layout = solution.layout
        for row in 0..<rows {
          for column in 0..<columns
          where row >= layout.groupedRows || column >= layout.groupedColumns {
            #expect(solution.mask[row, column])
          }
        }
        #expect(layout.validity(of: solution.mask).isValid)
        #expect(solution.kept == solution.mask.keptCount)
        #expect(abs(solution.keptMagnitude - problem.score(solution.mask)) < 1e-12)
        #expect(try #require(solution.certificate).relativeGap <= 1e-12)
      }
    }
  }

  @Test("Empty and all-zero matrices")
  func degenerate() throws {
    for (rows, columns) in [(0, 8), (8, 0), (0, 0)] {
      for structure in Structure.allCases {
        let problem = Problem(.normal, rows: rows, columns: columns, seed: 1)
        let solution = try problem.solve(2, 4, structure: structure)
        #expect(solution.kept == 0)
        #expect(solution.density == nil)
        #expect(solution.keptMagnitude == 0)
        #expect(solution.retained == 1)
        #expect(try #require(solution.certificate).relativeGap == 0)
      }
    }
    let zeros = try Problem(.zeros, rows: 8, columns: 8, seed: 1).solve(2, 4)
    #expect(zeros.kept == 32)
    #expect(zeros.retained == 1)
    #expect(try #require(zeros.certificate).isOptimal)
  }

  @Test("The first entry that is not finite is named, in row-major order")
  func notFinite() throws {
    var problem = Problem(.normal, rows: 8, columns: 12, seed: 3)
    problem.values[7 * 12 + 1] = .nan
    problem.values[2 * 12 + 11] = -.infinity
    problem.values[2 * 12 + 3] = -.nan
    for structure in Structure.allCases {
      #expect(throws: SolveError.notFinite(row: 2, column: 3)) {
        try problem.solve(2, 4, structure: structure)
      }
    }
  }

  @Test("A sum beyond float64 is refused, not reported as infinite")
  func overflow() throws {
    let problem = Problem([[Double]](repeating: [Double](repeating: 1e308, count: 4), count: 4))
    for method in MaskMethod.allCases {
      #expect(throws: SolveError.sumOverflows) { try problem.solve(2, 4, method: method) }
    }
  }
}
