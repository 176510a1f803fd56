// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// Masks kept within allowed entries, against all masks there are.
struct RestrictionTests {
  /// Every mask of a small tile that the pattern allows, as sets of places.
  private func masks(_ n: Int, _ m: Int, _ constraint: Sparsity.Constraint) -> [[Int]] {
    (0..<(1 << (m * m))).compactMap { bits -> [Int]? in
      let places = (0..<(m * m)).filter { bits >> $0 & 1 == 1 }
      for line in 0..<m {
        let row = places.count { $0 / m == line }
        let column = places.count { $0 % m == line }
        guard row <= n, column <= n, constraint == .atMost || row == n && column == n else {
          return nil
        }
      }
      return places
    }
  }

  @Test(
    arguments: [(1, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4)],
    [Sparsity.Constraint.exactly, .atMost]
  )
  func agreesWithEnumeration(_ pattern: (n: Int, m: Int), _ constraint: Sparsity.Constraint) throws
  {
    let (n, m) = pattern
    let all = masks(n, m, constraint)
    let layout = try MaskLayout(
      MaskSpecification(pattern: Pattern(n: n, m: m), constraint: constraint),
      rows: m,
      columns: m
    )
    for seed in UInt64(1)...60 {
      let problem = Problem(.normal, rows: 2 * m, columns: m, seed: seed)
      var scores = problem.values[..<(m * m)].map(abs)
      var allowed = Mask(rows: m, columns: m)
      for place in 0..<(m * m) {
        let isAllowed = problem.values[m * m + place] > -0.6
        allowed[place / m, place % m] = isAllowed
        if !isAllowed { scores[place] = 0 }
      }
      let best = all.filter { $0.allSatisfy { allowed[$0 / m, $0 % m] } }
        .map { $0.reduce(0) { $0 + scores[$1] } }.max()
      let comment: Comment = "seed \(seed), scores \(scores), allowed \(allowed)"
      let restricted = scores.withUnsafeBytes { bytes -> Result<Solution, RestrictionError> in
        let view = MatrixView(bytes, dataType: .float64, rows: m, columns: m)
        return Result { () throws(RestrictionError) in
          let free: Solution
          do throws(SolveError) { free = try layout.solve(view) } catch { throw .solve(error) }
          return try layout.restrict(free, scores: view, to: allowed)
        }
      }
      guard let best else {
        #expect(throws: RestrictionError.self, comment) { try restricted.get() }
        continue
      }
      let solution = try restricted.get()
      #expect(zip(solution.mask.bytes, allowed.bytes).allSatisfy { $0 & ~$1 == 0 }, comment)
      #expect(layout.validity(of: solution.mask).isValid, comment)
      #expect(abs(solution.keptMagnitude - best) <= 1e-12 * max(1, best), comment)
      let certificate = try #require(solution.certificate)
      #expect(certificate.isOptimal, comment)
      #expect(certificate.upperBound >= best - 1e-12, comment)
    }
  }

  /// The bonus must not drown scores that lie far apart, nor overflow with those that are huge.
  @Test(arguments: [1e-300, 1e-30, 1, 1e30, 1e300])
  func anyScale(_ size: Double) throws {
    let layout = try MaskLayout(
      MaskSpecification(pattern: Pattern(n: 1, m: 2), structure: .row),
      rows: 2,
      columns: 2
    )
    var allowed = Mask(rows: 2, columns: 2)
    for place in [(0, 1), (1, 0), (1, 1)] { allowed[place.0, place.1] = true }
    // The first row has a solution with the entry that is not allowed: both are zero.
    let scores = [0, 0, size, size / 1024]
    let solution = try scores.withUnsafeBytes { bytes in
      let view = MatrixView(bytes, dataType: .float64, rows: 2, columns: 2)
      return try layout.restrict(try layout.solve(view), scores: view, to: allowed)
    }
    #expect(solution.mask[0, 1] && solution.mask[1, 0])
    #expect(solution.kept == 2 && solution.keptMagnitude == size)
  }

  @Test func shortGroupsAreCounted() throws {
    let layout = try MaskLayout(
      MaskSpecification(pattern: Pattern(n: 2, m: 4)),
      rows: 4,
      columns: 8
    )
    var allowed = Mask(rows: 4, columns: 8)
    for row in 0..<4 { for column in 0..<8 { allowed[row, column] = true } }
    #expect(layout.shortGroups(of: allowed).count == 0)
    for column in 4..<7 { allowed[2, column] = false }
    let short = layout.shortGroups(of: allowed)
    #expect(short.count == 1)
    #expect(short.first == ShortGroup(axis: .rows, row: 2, column: 4, allowed: 1))
  }
}
