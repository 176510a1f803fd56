// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// The same values give the same mask in every type that holds them.
struct DataTypeTests {
  static func solve<Element>(
    _ values: [Element],
    _ dataType: DataType,
    rows: Int,
    columns: Int,
    _ specification: MaskSpecification
  ) throws -> Solution {
    try values.withUnsafeBytes { bytes in
      try MaskLayout(specification, rows: rows, columns: columns).solve(
        MatrixView(
          base: #require(bytes.baseAddress),
          dataType: dataType,
          rows: rows,
          columns: columns
        )
      )
    }
  }

  @Test("Every type gives the mask of float64", arguments: [(2, 4), (4, 8), (5, 12)])
  func everyType(_ n: Int, _ m: Int) throws {
    var generator = SplitMix64(seed: UInt64(m))
    let (rows, columns) = (2 * m, 3 * m)
    let values = (0..<(rows * columns)).map { _ in Int8(truncatingIfNeeded: generator.next()) >> 1 }
    for structure in Structure.allCases {
      for constraint in Sparsity.Constraint.allCases {
        let specification = try MaskSpecification(
          pattern: Pattern(n: n, m: m),
          structure: structure,
          constraint: constraint
        )
        let expected = try Self.solve(
          values.map(Double.init),
          .float64,
          rows: rows,
          columns: columns,
          specification
        )
        func check<Element>(_ type: DataType, _ convert: (Int8) -> Element) throws {
          let solution = try Self.solve(
            values.map(convert),
            type,
            rows: rows,
            columns: columns,
            specification
          )
          #expect(solution.mask == expected.mask, "\(type) \(structure) \(constraint)")
          #expect(solution.keptMagnitude == expected.keptMagnitude)
          #expect(solution.certificate == expected.certificate)
        }
        try check(.float32) { Float($0) }
        try check(.float16) { Float16($0) }
        try check(.bfloat16) { UInt16(Float($0).bitPattern >> 16) }
        try check(.int8) { $0 }
        try check(.int16) { Int16($0) }
        try check(.int32) { Int32($0) }
        try check(.int64) { Int64($0) }
        try check(.uint8) { UInt8($0.magnitude) }
      }
    }
  }

  @Test("The most negative integer is the largest magnitude")
  func mostNegative() throws {
    let row = try MaskSpecification(pattern: Pattern(n: 1, m: 4), structure: .row)
    func mask<Element: FixedWidthInteger & SignedInteger>(
      _ type: DataType,
      _: Element.Type
    ) throws -> Solution {
      try Self.solve([Element.min, .max, 1, 2], type, rows: 1, columns: 4, row)
    }
    #expect(try mask(.int8, Int8.self).mask.rowStrings == ["1000"])
    #expect(try mask(.int8, Int8.self).keptMagnitude == 128)
    #expect(try mask(.int16, Int16.self).mask.rowStrings == ["1000"])
    #expect(try mask(.int32, Int32.self).mask.rowStrings == ["1000"])
    #expect(try mask(.int64, Int64.self).mask.rowStrings == ["1000"])
    #expect(try mask(.int64, Int64.self).keptMagnitude == 0x1p63)
    let unsigned = try Self.solve([UInt8(200), 255, 1, 2], .uint8, rows: 1, columns: 4, row)
    #expect(unsigned.mask.rowStrings == ["0100"])
  }

  @Test("64-bit integers that float64 rounds are still told apart")
  func largeIntegers() throws {
    let base = Int64(1) << 53
    let row = try MaskSpecification(pattern: Pattern(n: 1, m: 2), structure: .row)
    #expect(
      try Self.solve([base, base + 1], .int64, rows: 1, columns: 2, row).mask.rowStrings == ["01"]
    )
    // Every mask of this tile scores nearly the same; by hand, the diagonal is best by 1.
    let tile = [base + 1, base, base, base]
    for constraint in Sparsity.Constraint.allCases {
      let specification = try MaskSpecification(
        pattern: Pattern(n: 1, m: 2),
        constraint: constraint
      )
      let solution = try Self.solve(tile, .int64, rows: 2, columns: 2, specification)
      #expect(solution.mask.rowStrings == ["10", "01"])
      let flipped = try Self.solve(
        [base, base + 1, base, base],
        .int64,
        rows: 2,
        columns: 2,
        specification
      )
      #expect(flipped.mask.rowStrings == ["01", "10"])
    }
    var generator = SplitMix64(seed: 11)
    for trial in 0..<200 {
      let small = (0..<16).map { _ in Int64(generator.next() % 8) }
      let specification = try MaskSpecification(pattern: Pattern(n: 2, m: 4))
      let shifted = try Self.solve(
        small.map { $0 + (1 << 60) },
        .int64,
        rows: 4,
        columns: 4,
        specification
      )
      let plain = try Self.solve(small, .int64, rows: 4, columns: 4, specification)
      let score = (0..<16).reduce(0) { shifted.mask[$1 / 4, $1 % 4] ? $0 + small[$1] : $0 }
      #expect(Double(score) == plain.keptMagnitude, "trial \(trial): \(small)")
    }
  }

  @Test("Half-precision sums are not kept in half precision")
  func halfSums() throws {
    let specification = try MaskSpecification(pattern: Pattern(n: 2, m: 4))
    let solution = try Self.solve(
      [Float16](repeating: 40_000, count: 16),
      .float16,
      rows: 4,
      columns: 4,
      specification
    )
    #expect(solution.keptMagnitude == 320_000)
    #expect(solution.totalMagnitude == 640_000)
  }

  @Test("Magnitudes near both ends of float32 and float64")
  func extremes() throws {
    let specification = try MaskSpecification(pattern: Pattern(n: 2, m: 4))
    let shape = Problem(.normal, rows: 4, columns: 4, seed: 9)
    let expected = try shape.solve(2, 4).mask
    for scale in [0x1p126, 0x1p-100, 0x1p-1000, 0x1p1010] {
      var scaled = shape
      scaled.values = shape.values.map { $0 * scale }
      let solution = try scaled.solve(2, 4)
      #expect(solution.mask == expected)
      #expect(try #require(solution.certificate).isOptimal)
    }
    let tiny = (0..<16).map { Float($0 * 7 % 16) * .leastNonzeroMagnitude }
    let solution = try Self.solve(tiny, .float32, rows: 4, columns: 4, specification)
    #expect(try #require(solution.certificate).isOptimal)
    #expect(solution.kept == 8)
  }

  @Test("Weights need not be aligned")
  func unaligned() throws {
    let values = WeightKind.normal.matrix(rows: 8, columns: 8, seed: 2)
    let specification = try MaskSpecification(pattern: Pattern(n: 2, m: 4))
    let aligned = try Self.solve(values, .float32, rows: 8, columns: 8, specification)
    let bytes = [UInt8(0)] + values.withUnsafeBytes { Array($0) }
    let shifted = try bytes.withUnsafeBytes {
      try MaskLayout(specification, rows: 8, columns: 8).solve(
        MatrixView(
          base: #require($0.baseAddress) + 1,
          dataType: .float32,
          rows: 8,
          columns: 8
        )
      )
    }
    #expect(shifted.mask == aligned.mask)
  }
}
