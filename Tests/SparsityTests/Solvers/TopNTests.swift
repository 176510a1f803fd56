// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

struct TopNTests {
  @Test("n is the number kept")
  func meaning() throws {
    let problem = Problem([[4, 3, 2, 1]])
    #expect(try problem.solve(1, 4, structure: .row).mask.rowStrings == ["1000"])
    #expect(try problem.solve(3, 4, structure: .row).mask.rowStrings == ["1110"])
    #expect(
      try problem.transposed.solve(1, 4, structure: .column).mask.rowStrings == [
        "1", "0", "0", "0",
      ]
    )
  }

  @Test("Among equal entries the lower index is kept")
  func ties() throws {
    let problem = Problem([[1, 2, 1, 2, 1, 1, 1, 1]])
    #expect(try problem.solve(3, 8, structure: .row).mask.rowStrings == ["11010000"])
    #expect(try problem.solve(1, 2, structure: .row).mask.rowStrings == ["01011010"])
  }

  @Test(
    "The kept entries are the largest, for any m",
    arguments: [2, 3, 4, 7, 8, 16, 64, 1000, 1024]
  )
  func largest(_ m: Int) throws {
    for kind in [WeightKind.normal, .int4, .lognormal10] {
      let problem = Problem(kind, rows: 3, columns: 2 * m, seed: UInt64(m))
      for n in [1, m / 2, m - 1, m] where n >= 1 {
        let solution = try problem.solve(n, m, structure: .row)
        #expect(solution.layout.validity(of: solution.mask).isValid)
        #expect(try #require(solution.certificate).relativeGap == 0)
        var expected = 0.0
        for start in stride(from: 0, to: problem.values.count, by: m) {
          expected += problem.values[start..<(start + m)].map(abs).sorted(by: >).prefix(n)
            .reduce(0, +)
        }
        #expect(abs(solution.keptMagnitude - expected) <= 1e-12 * expected)
        let down = try problem.transposed.solve(n, m, structure: .column)
        #expect(down.mask.keptCount == solution.mask.keptCount)
        for row in 0..<3 {
          for column in 0..<(2 * m) {
            #expect(down.mask[column, row] == solution.mask[row, column])
          }
        }
      }
    }
  }

  @Test("Subnormals count")
  func subnormals() throws {
    let tiny = Double.leastNonzeroMagnitude
    #expect(
      try Problem([[1e-42, 3e-42, 2e-42, 0]]).solve(2, 4, structure: .row).mask.rowStrings
        == ["0110"]
    )
    #expect(
      try Problem([[tiny, 3 * tiny, 2 * tiny, 0]]).solve(2, 4, structure: .row).mask.rowStrings
        == ["0110"]
    )
  }
}
