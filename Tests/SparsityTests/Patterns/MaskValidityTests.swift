// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

struct MaskValidityTests {
  private func mask(_ rows: [String]) -> Mask {
    var mask = Mask(rows: rows.count, columns: rows.first?.count ?? 0)
    for (row, text) in rows.enumerated() {
      for (column, character) in text.enumerated() { mask[row, column] = character == "1" }
    }
    return mask
  }

  private func layout(
    _ n: Int,
    _ m: Int,
    _ structure: Structure,
    _ rows: Int,
    _ columns: Int,
    constraint: Sparsity.Constraint = .exactly
  ) throws -> MaskLayout {
    try MaskLayout(
      MaskSpecification(pattern: Pattern(n: n, m: m), structure: structure, constraint: constraint),
      rows: rows,
      columns: columns
    )
  }

  @Test("A mask that is right along rows and wrong down columns")
  func axes() throws {
    let striped = mask([String](repeating: "11001100", count: 8))
    let rows = try layout(2, 4, .row, 8, 8).validity(of: striped)
    #expect(rows.isValid)
    #expect(rows.groups == 16)
    let columns = try layout(2, 4, .column, 8, 8).validity(of: striped)
    #expect(columns.violations == 16)
    #expect(columns.firstViolation == MaskViolation(axis: .columns, row: 0, column: 0, kept: 4))
    let both = try layout(2, 4, .transposable, 8, 8).validity(of: striped)
    #expect(both.groups == 32)
    #expect(both.firstViolation?.axis == .columns)
  }

  @Test("Too few entries violate exactly, not at_most")
  func constraints() throws {
    let sparse = mask(["1000", "0100", "0010", "0001"])
    #expect(
      try !layout(2, 4, .transposable, 4, 4, constraint: .exactly).validity(of: sparse).isValid
    )
    #expect(try layout(2, 4, .transposable, 4, 4, constraint: .atMost).validity(of: sparse).isValid)
    #expect(
      try layout(1, 4, .transposable, 4, 4, constraint: .exactly).validity(of: sparse).isValid
    )
  }
}
