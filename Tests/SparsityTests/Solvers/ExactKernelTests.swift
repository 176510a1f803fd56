// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// The vector kernels against the solver for one tile, and against each other.
struct ExactKernelTests {
  static let sets = InstructionSet.allCases.filter(\.isAvailable)

  /// A strip of tiles with some columns to spare, in any element type.
  struct Strips {
    let bytes: [UInt8]
    let dataType: DataType
    let rows: Int
    let columns: Int

    init<Element>(_ values: [Element], _ dataType: DataType, columns: Int) {
      // One byte before the first element: nothing may rely on alignment.
      bytes = [0] + values.withUnsafeBytes { Array($0) }
      self.dataType = dataType
      self.columns = columns
      rows = values.count / columns
    }

    func solve(
      _ pattern: Pattern,
      _ constraint: Sparsity.Constraint,
      with solver: any MaskSolver
    ) throws -> (mask: Mask, outcome: MaskOutcome) {
      var mask = Mask(rows: rows, columns: columns)
      let rowByteCount = mask.rowByteCount
      let outcome = try bytes.withUnsafeBytes { bytes in
        try mask.bytes.withUnsafeMutableBufferPointer { maskBytes in
          try solver.solveStrips(
            MatrixView(
              base: try #require(bytes.baseAddress) + 1,
              dataType: dataType,
              rows: rows,
              columns: columns
            ),
            height: pattern.m,
            columns: columns - columns % pattern.m,
            into: MaskRows(
              base: try #require(maskBytes.baseAddress),
              rowByteCount: rowByteCount
            )
          )
        }
      }
      return (mask, outcome)
    }
  }

  private static func kernels(
    _ pattern: Pattern,
    _ constraint: Sparsity.Constraint,
    _ set: InstructionSet
  ) throws -> ExactKernelSolver {
    try #require(
      ExactKernelSolver(pattern: pattern, constraint: constraint, instructionSet: set)
    )
  }

  private func check(_ strips: Strips, _ pattern: Pattern, _ label: String) throws {
    for constraint in Sparsity.Constraint.allCases {
      let label: Comment = "\(label) \(constraint.rawValue)"
      let oracle = TileStripSolver(ExactTileSolver(pattern: pattern, constraint: constraint))
      let expected = try strips.solve(pattern, constraint, with: oracle)
      var first: (mask: Mask, outcome: MaskOutcome)?
      var firstCounts: [UInt64] = []
      for set in Self.sets {
        let kernels = try Self.kernels(pattern, constraint, set)
        let result = try strips.solve(pattern, constraint, with: kernels)
        let tolerance = 1e-12 * expected.outcome.totalMagnitude
        let gap = try #require(result.outcome.gap)
        #expect(gap >= 0 && gap <= tolerance, label)
        #expect(
          abs(result.outcome.keptMagnitude - expected.outcome.keptMagnitude) <= tolerance,
          label
        )
        #expect(
          abs(result.outcome.totalMagnitude - expected.outcome.totalMagnitude) <= tolerance,
          label
        )
        #expect(result.outcome.kept == result.mask.keptCount, label)
        #expect(countsAreRight(result.mask, pattern, constraint), label)
        if let first {
          #expect(result.mask == first.mask, "\(label) \(set)")
          #expect(result.outcome == first.outcome, "\(label) \(set)")
          #expect(kernels.settledTileCounts == firstCounts, "\(label) \(set)")
        }
        first = first ?? result
        firstCounts = kernels.settledTileCounts
      }
    }
  }

  private func countsAreRight(
    _ mask: Mask,
    _ pattern: Pattern,
    _ constraint: Sparsity.Constraint
  ) -> Bool {
    let m = pattern.m
    for top in stride(from: 0, to: mask.rows, by: m) {
      for left in stride(from: 0, to: mask.columns - m + 1, by: m) {
        for index in 0..<m {
          let inRow = (0..<m).count { mask[top + index, left + $0] }
          let inColumn = (0..<m).count { mask[top + $0, left + index] }
          let isRight =
            constraint == .exactly
            ? inRow == pattern.n && inColumn == pattern.n
            : inRow <= pattern.n && inColumn <= pattern.n
          if !isRight { return false }
        }
      }
    }
    return true
  }

  @Test(
    "Every set finds the optimum of every n:m up to 17, with the same bits",
    arguments: WeightKind.allCases
  )
  func small(_ kind: WeightKind) throws {
    for m in 1...17 {
      for n in 1...m where m <= 9 || [1, 2, m / 4, m / 2, m - 1, m].contains(n) {
        let seed = UInt64(100 * m + n)
        let columns = 35 * m + n % m
        let strips = Strips(
          kind.matrix(rows: 2 * m, columns: columns, seed: seed),
          .float32,
          columns: columns
        )
        try check(strips, Pattern(n: n, m: m), "\(kind) \(n):\(m) seed \(seed)")
      }
    }
  }

  @Test("Gaps are added in the order of the tiles, not in that in which they are settled")
  func gapOrder() throws {
    // Bytes that a search found: as float32 they span 75 orders, so that gaps are left.
    let period: [UInt8] = [
      0x61, 0x75, 0x9f, 0x86, 0x00, 0x00, 0x00, 0x0e, 0x13, 0x66, 0x61, 0x75, 0x9f, 0x86, 0x00,
      0x60,
      0x2b,
    ]
    let values = (0..<(14 * 119)).map { index in
      let bytes = (0..<4).map { UInt32(period[(4 * index + $0) % period.count]) << UInt32(8 * $0) }
      return Float(bitPattern: bytes.reduce(0, |))
    }
    try check(Strips(values, .float32, columns: 119), Pattern(n: 1, m: 7), "spread")
  }

  @Test("The first pass settles nearly all tiles of normal weights, with every set")
  func firstPass() throws {
    for (n, m, share) in [(1, 2, 0.99), (2, 4, 0.95), (3, 6, 0.95), (4, 8, 0.85), (8, 16, 0.65)] {
      let columns = 200 * m
      let strips = Strips(
        WeightKind.normal.matrix(rows: m, columns: columns, seed: 5),
        .float32,
        columns: columns
      )
      for set in Self.sets {
        let kernels = try Self.kernels(Pattern(n: n, m: m), .exactly, set)
        _ = try strips.solve(Pattern(n: n, m: m), .exactly, with: kernels)
        #expect(Double(kernels.settledTileCounts[0]) >= share * 200, "\(n):\(m) \(set)")
      }
    }
  }

  @Test(
    "Short strips that share a block are solved as each by itself",
    arguments: [WeightKind.normal, .ternary, .lognormal10]
  )
  func shortStrips(_ kind: WeightKind) throws {
    for (n, m) in [(1, 2), (2, 3), (2, 4), (3, 6), (4, 8), (5, 12), (8, 16)] {
      let pattern = try Pattern(n: n, m: m)
      for tileCount in 1...18 {
        // No entry, or some, behind the last tile.
        let columns = tileCount * m + tileCount % m
        let stripCount = 1 + (tileCount * 5 + m) % 9
        let seed = UInt64(1000 * m + tileCount)
        let values = kind.matrix(rows: stripCount * m, columns: columns, seed: seed)
        let label = "\(kind) \(pattern), \(stripCount) strips of \(tileCount), seed \(seed)"
        let strips = Strips(values, .float32, columns: columns)
        try check(strips, pattern, label)
        for set in Self.sets {
          let kernels = try Self.kernels(pattern, .exactly, set)
          let together = try strips.solve(pattern, .exactly, with: kernels)
          let settled = kernels.settledTileCounts
          var masks: [UInt8] = []
          var sum = [UInt64](repeating: 0, count: settled.count)
          for strip in 0..<stripCount {
            let range = (strip * m * columns)..<((strip + 1) * m * columns)
            let alone = try Strips(Array(values[range]), .float32, columns: columns)
              .solve(pattern, .exactly, with: kernels)
            masks += alone.mask.bytes
            for pass in sum.indices { sum[pass] += kernels.settledTileCounts[pass] }
          }
          #expect(together.mask.bytes == masks, "\(label) \(set)")
          #expect(settled == sum, "\(label) \(set)")
        }
      }
    }
  }

  @Test("Large tiles too", arguments: WeightKind.allCases)
  func large(_ kind: WeightKind) throws {
    for (n, m) in [(16, 32), (8, 32), (1, 32), (13, 31), (32, 64), (1, 64), (63, 64), (20, 37)] {
      let columns = 5 * m + 3
      let strips = Strips(
        kind.matrix(rows: 2 * m, columns: columns, seed: UInt64(m)),
        .float32,
        columns: columns
      )
      try check(strips, Pattern(n: n, m: m), "\(kind) \(n):\(m) seed \(m)")
    }
  }

  @Test("A tile's mask depends on that tile alone", arguments: WeightKind.allCases)
  func alone(_ kind: WeightKind) throws {
    for (n, m) in [(1, 2), (2, 4), (3, 6), (4, 8), (8, 16)] {
      let pattern = try Pattern(n: n, m: m)
      let columns = 70 * m
      let values = kind.matrix(rows: m, columns: columns, seed: 11)
      for constraint in Sparsity.Constraint.allCases {
        let kernels = try Self.kernels(pattern, constraint, .widest)
        let together = try Strips(values, .float32, columns: columns)
          .solve(pattern, constraint, with: kernels)
        for tile in 0..<70 {
          let one = (0..<(m * m)).map { values[$0 / m * columns + tile * m + $0 % m] }
          let alone = try Strips(one, .float32, columns: m)
            .solve(pattern, constraint, with: kernels)
          for row in 0..<m {
            for column in 0..<m {
              #expect(
                alone.mask[row, column] == together.mask[row, tile * m + column],
                "\(kind) \(n):\(m) \(constraint) tile \(tile)"
              )
            }
          }
        }
      }
    }
  }

  @Test("The same values give the same mask in every type that holds them")
  func types() throws {
    for (n, m) in [(2, 4), (3, 5), (4, 8), (8, 16)] {
      let pattern = try Pattern(n: n, m: m)
      let columns = 40 * m + 1
      for kind in [WeightKind.int4, .ternary, .int8, .zeros] {
        let floats = kind.matrix(rows: m, columns: columns, seed: 3)
        let variants = [
          Strips(floats, .float32, columns: columns),
          Strips(floats.map(Double.init), .float64, columns: columns),
          Strips(floats.map { Float16($0) }, .float16, columns: columns),
          Strips(floats.map { UInt16($0.bitPattern >> 16) }, .bfloat16, columns: columns),
          Strips(floats.map { Int8($0) }, .int8, columns: columns),
          Strips(floats.map { UInt8(abs($0)) }, .uint8, columns: columns),
          Strips(floats.map { Int16($0) }, .int16, columns: columns),
          Strips(floats.map { Int32($0) }, .int32, columns: columns),
          Strips(floats.map { Int64($0) }, .int64, columns: columns),
        ]
        for constraint in Sparsity.Constraint.allCases {
          for set in Self.sets {
            let kernels = try Self.kernels(pattern, constraint, set)
            let expected = try variants[0].solve(pattern, constraint, with: kernels)
            for variant in variants {
              let result = try variant.solve(pattern, constraint, with: kernels)
              #expect(result.mask == expected.mask, "\(kind) \(n):\(m) \(variant.dataType) \(set)")
              #expect(result.outcome == expected.outcome)
            }
          }
        }
      }
    }
  }

  @Test("Weights that only float64 or 64-bit integers hold are solved as they are")
  func wide() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    let noise = WeightKind.uniform.matrix(rows: 8, columns: 24, seed: seed)
    for (n, m) in [(2, 4), (4, 8)] {
      let pattern = try Pattern(n: n, m: m)
      // Ties that only the last bits of float64 break, and doubles at both ends of the range.
      let near = noise.map { 1 + Double(Int($0 * 8)) * 0x1p-52 }
      try check(Strips(near, .float64, columns: 24), pattern, "near seed \(seed)")
      let huge = noise.map { Double($0) * 0x1p1014 }
      try check(Strips(huge, .float64, columns: 24), pattern, "huge seed \(seed)")
      let tiny = noise.map { Double($0) * 0x1p-1060 }
      try check(Strips(tiny, .float64, columns: 24), pattern, "tiny seed \(seed)")
      let small = noise.map { $0 * 0x1p-140 }
      try check(Strips(small, .float32, columns: 24), pattern, "small seed \(seed)")
      // Beyond 2^53 neighbours differ by one where float64 sees none.
      let integers = noise.map { Int64.max - Int64($0 * 4) }
      try check(Strips(integers, .int64, columns: 24), pattern, "integers seed \(seed)")
      let least = noise.map { $0 < 0.5 ? Int64.min : Int64.max }
      try check(Strips(least, .int64, columns: 24), pattern, "least seed \(seed)")
    }
  }

  @Test("An entry that is not finite is found wherever it is")
  func notFinite() throws {
    let specification = try MaskSpecification(
      pattern: Pattern(n: 2, m: 4),
      structure: .transposable,
      remainder: .dense
    )
    let layout = try MaskLayout(specification, rows: 10, columns: 21)
    for value in [Float.nan, -.nan, .infinity, -.infinity] {
      for index in 0..<210 {
        var values = WeightKind.normal.matrix(rows: 10, columns: 21, seed: 1)
        values[index] = value
        values[209] = value
        for set in Self.sets {
          let solver = BandSolver(layout: layout, instructionSet: set)
          var mask = Mask(rows: 10, columns: 21)
          #expect(throws: SolveError.notFinite(row: index / 21, column: index % 21)) {
            try values.withUnsafeBytes { bytes in
              try mask.bytes.withUnsafeMutableBufferPointer { maskBytes in
                _ = try solver.solve(
                  0,
                  MatrixView(
                    base: try #require(bytes.baseAddress),
                    dataType: .float32,
                    rows: 10,
                    columns: 21
                  ),
                  into: MaskRows(
                    base: try #require(maskBytes.baseAddress),
                    rowByteCount: 3
                  )
                )
              }
            }
          }
        }
      }
    }
  }
}
