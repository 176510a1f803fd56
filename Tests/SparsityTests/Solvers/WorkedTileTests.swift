// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

/// Tiles whose optimum and approximations are known, by exhaustive search or an independent solver.
struct WorkedTileTests {
  struct Example: Sendable, CustomTestStringConvertible {
    let name: String
    let rows: [[Double]]
    let n: Int
    let optimum: Double
    let greedy: (score: Double, kept: Int)
    let twoApproximation: (score: Double, kept: Int)
    let mask: [String]
    var testDescription: String { "\(name) \(n):\(rows.count)" }
  }

  static func generate(_ m: Int, _ entry: (Int, Int) -> Int) -> [[Double]] {
    (0..<m).map { i in (0..<m).map { j in Double(entry(i, j)) } }
  }

  static let c = generate(8) { (7 * $0 * $0 + 13 * $1 * $1 + 31 * $0 * $1 + 5 * $0 + 3 * $1) % 97 }
  static let d = generate(8) { (37 * $0 + 53 * $1 + 11 * $0 * $1 + 17) % 101 }
  static let f = generate(4) { (7 * $0 + 5 * $1 + 3 * $0 * $1) % 11 }
  static func blocks(_ size: Int, _ high: Double, _ low: Double) -> [[Double]] {
    generate(size) { i, j in
      Int(i < size / 2 ? (j < size / 2 ? high : low) : (j < size / 2 ? low : 0))
    }
  }

  static let examples = [
    Example(
      name: "A",
      rows: [[15, 5, 12, 13], [10, 16, 9, 6], [7, 4, 1, 11], [3, 8, 2, 14]],
      n: 2,
      optimum: 92,
      greedy: (77, 7),
      twoApproximation: (76, 6),
      mask: ["1010", "0110", "1001", "0101"]
    ),
    Example(
      name: "B",
      rows: blocks(4, 11, 10),
      n: 2,
      optimum: 80,
      greedy: (44, 8),
      twoApproximation: (44, 4),
      mask: ["0011", "0011", "1100", "1100"]
    ),
    Example(
      name: "B'",
      rows: blocks(4, 101, 100),
      n: 2,
      optimum: 800,
      greedy: (404, 8),
      twoApproximation: (404, 4),
      mask: ["0011", "0011", "1100", "1100"]
    ),
    Example(
      name: "F",
      rows: f,
      n: 2,
      optimum: 55,
      greedy: (55, 8),
      twoApproximation: (49, 6),
      mask: ["0110", "1001", "0110", "1001"]
    ),
    Example(
      name: "F",
      rows: f,
      n: 1,
      optimum: 32,
      greedy: (32, 4),
      twoApproximation: (29, 3),
      mask: ["0010", "0001", "0100", "1000"]
    ),
    Example(
      name: "C",
      rows: c,
      n: 4,
      optimum: 2018,
      greedy: (1966, 31),
      twoApproximation: (1876, 25),
      mask: [
        "00100111", "01001101", "10010011", "10011010", "01101001", "01100110", "11011000",
        "10110100",
      ]
    ),
    Example(
      name: "C2",
      rows: c,
      n: 2,
      optimum: 1146,
      greedy: (1036, 15),
      twoApproximation: (690, 8),
      mask: [
        "00000101", "00001100", "00010001", "00010010", "01001000", "00100010", "11000000",
        "10100000",
      ]
    ),
    Example(
      name: "D",
      rows: d,
      n: 4,
      optimum: 2142,
      greedy: (2071, 29),
      twoApproximation: (2023, 28),
      mask: [
        "01010101", "10100101", "11001100", "00111010", "11100010", "00001111", "01110010",
        "10011001",
      ]
    ),
    Example(
      name: "E",
      rows: blocks(8, 11, 10),
      n: 4,
      optimum: 320,
      greedy: (176, 32),
      twoApproximation: (176, 16),
      mask: [String](repeating: "00001111", count: 4) + [String](repeating: "11110000", count: 4)
    ),
  ]

  @Test("The tiles are the ones that were worked out")
  func totals() {
    #expect(Self.c.flatMap { $0 }.reduce(0, +) == 2809)
    #expect(Self.d.flatMap { $0 }.reduce(0, +) == 3006)
    #expect(Self.c[0] == [0, 16, 58, 29, 26, 49, 1, 76])
    #expect(Self.d[0] == [17, 70, 22, 75, 27, 80, 32, 85])
  }

  @Test("The optimum is the one known, mask and proof", arguments: examples)
  func exact(_ example: Example) throws {
    for constraint in Constraint.allCases {
      for method in [MaskMethod.exact, .minimumCostFlow] {
        let solution = try Problem(example.rows).solve(
          example.n,
          example.rows.count,
          constraint: constraint,
          method: method
        )
        #expect(solution.keptMagnitude == example.optimum)
        #expect(solution.mask.rowStrings == example.mask)
        let certificate = try #require(solution.certificate)
        #expect(certificate.relativeGap <= (method == .exact ? 1e-12 : 1e-5))
      }
    }
  }

  @Test("Approximations under at_most keep what they are known to", arguments: examples)
  func approximations(_ example: Example) throws {
    let problem = Problem(example.rows)
    let m = example.rows.count
    let greedy = try problem.solve(example.n, m, constraint: .atMost, method: .greedy)
    #expect(greedy.keptMagnitude == example.greedy.score)
    #expect(greedy.kept == example.greedy.kept)
    #expect(greedy.certificate == nil)
    let pruned = try problem.solve(example.n, m, constraint: .atMost, method: .twoApproximation)
    #expect(pruned.keptMagnitude == example.twoApproximation.score)
    #expect(pruned.kept == example.twoApproximation.kept)
    #expect(pruned.certificate == nil)
  }

  @Test("At most n can keep more than exactly n")
  func constraintsDiffer() throws {
    let problem = Problem([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    for method in [MaskMethod.exact, .minimumCostFlow] {
      #expect(try problem.solve(2, 4, constraint: .exactly, method: method).keptMagnitude == 5)
      #expect(try problem.solve(2, 4, constraint: .atMost, method: method).keptMagnitude == 6)
    }
  }

  @Test("Every mask of an additive tile scores the same")
  func ramps() throws {
    let small = Problem(Self.generate(4) { 4 * $0 + $1 + 1 })
    let large = Problem(Self.generate(8) { 8 * $0 + $1 + 1 })
    for method in MaskMethod.allCases {
      #expect(try small.solve(2, 4, method: method).keptMagnitude == 68)
      #expect(try large.solve(4, 8, method: method).keptMagnitude == 1040)
    }
  }

  @Test("The two-approximation prunes at most twice the optimum, and can reach it nearly")
  func tightness() throws {
    // Distinct weights: 20 pruned where 11 are enough.
    let rows: [[Double]] = [[11, 10, 12, 0], [10, 0, 0, 0], [12, 0, 0, 0], [0, 0, 0, 0]]
    let problem = Problem(rows)
    let optimum = try problem.solve(2, 4, constraint: .atMost)
    #expect(optimum.totalMagnitude - optimum.keptMagnitude == 11)
    let pruned = try problem.solve(2, 4, constraint: .atMost, method: .twoApproximation)
    #expect(pruned.totalMagnitude - pruned.keptMagnitude == 20)
  }

  @Test("n = m keeps everything; n = 1 is an assignment")
  func extremes() throws {
    let ones = Problem([[Double]](repeating: [1, 1, 1, 1], count: 4))
    for method in MaskMethod.allCases {
      for n in 1...4 {
        let solution = try ones.solve(n, 4, method: method)
        #expect(solution.kept == 4 * n)
        #expect(solution.layout.validity(of: solution.mask).isValid)
      }
    }
  }
}
