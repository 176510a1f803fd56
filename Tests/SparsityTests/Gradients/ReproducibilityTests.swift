// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// A draw depends on the seed, the tensor, the group and its entries, and on nothing else.
@Suite struct ReproducibilityTests {
  @Test func scalingByAPowerOfTwoScalesTheOutput() throws {
    for (n, m) in [(1, 2), (2, 4), (3, 8), (8, 16)] {
      for method in [GradientMethod.minimumVariance, .sequential, .greedy]
      where method != .sequential || n <= 2 {
        for data in [GradientData.normal, .lognormal, .lattice, .dominant] {
          let estimator = try GradientEstimator(
            pattern: Pattern(n: n, m: m),
            axis: .row,
            method: method,
            seed: 11
          )
          let elements = data.matrix(count: 64 * m, seed: 12)
          let estimate = try estimator.estimateFast(elements, columns: 32 * m)
          for exponent in [-70, -30, -1, 1, 30, 90] {
            let factor = Float(sign: .plus, exponent: exponent, significand: 1)
            let scaled = try estimator.estimateFast(elements.map { $0 * factor }, columns: 32 * m)
            #expect(scaled.values == estimate.values.map { $0 * factor })
            #expect(scaled.mask == estimate.mask)
            let square = Double(sign: .plus, exponent: 2 * exponent, significand: 1)
            #expect(scaled.sums.variance == estimate.sums.variance * square)
            #expect(scaled.sums.relativeVariance == estimate.sums.relativeVariance)
          }
        }
      }
    }
  }

  @Test func bandsDoNotMatter() throws {
    for axis in GradientAxis.allCases {
      for method in [GradientMethod.minimumVariance, .sequential, .greedy] {
        let estimator = try GradientEstimator(
          pattern: Pattern(n: 2, m: 4),
          axis: axis,
          method: method,
          seed: 21,
          tensorKey: 22
        )
        let rows = 24
        let columns = 44
        let elements = GradientData.lognormal.matrix(count: rows * columns, seed: 23)
        let whole = try estimator.estimate(elements, columns: columns)
        for height in [4, 8, 12] {
          var sums = GradientSums()
          var values: [Float] = []
          var mask: [UInt8] = []
          // From the last band to the first.
          for first in stride(from: 0, to: rows, by: height).reversed() {
            let (band, bandValues, bandMask) = try estimate(
              estimator,
              elements,
              rows: first..<first + height,
              columns: columns,
              of: rows
            )
            sums.add(band)
            values = bandValues + values
            mask = bandMask + mask
          }
          #expect(values == whole.values)
          #expect(mask == whole.mask)
          #expect(sums == whole.sums)
          #expect(sums.variance == whole.sums.variance)
        }
      }
    }
  }

  private func estimate(
    _ estimator: GradientEstimator,
    _ elements: [Float],
    rows: Range<Int>,
    columns: Int,
    of totalRows: Int
  ) throws -> (GradientSums, [Float], [UInt8]) {
    var values = [Float](repeating: .nan, count: rows.count * columns)
    var mask = [UInt8](repeating: 0xFF, count: rows.count * ((columns + 7) / 8))
    let sums = try elements.withUnsafeBytes { bytes in
      try values.withUnsafeMutableBufferPointer { values in
        try mask.withUnsafeMutableBufferPointer { mask in
          let base = try #require(bytes.baseAddress)
          return try estimator.estimate(
            MatrixView(base: base, dataType: .float32, rows: totalRows, columns: columns)
              .rows(rows),
            firstRow: rows.lowerBound,
            totalRows: totalRows,
            values: #require(values.baseAddress),
            mask: #require(mask.baseAddress)
          )
        }
      }
    }
    return (sums, values, mask)
  }

  /// Down the columns of a matrix is along the rows of its transpose.
  @Test func axesAgree() throws {
    let (rows, columns) = (40, 24)
    let elements = GradientData.normal.matrix(count: rows * columns, seed: 31)
    let transposed = (0..<rows * columns).map { elements[$0 % rows * columns + $0 / rows] }
    for method in [GradientMethod.minimumVariance, .sequential, .greedy] {
      let pattern = try Pattern(n: 2, m: 4)
      let down = try GradientEstimator(pattern: pattern, axis: .column, method: method, seed: 32)
        .estimate(elements, columns: columns)
      let along = try GradientEstimator(pattern: pattern, axis: .row, method: method, seed: 32)
        .estimate(transposed, columns: rows)
      for index in 0..<rows * columns {
        #expect(along.values[index] == down.values[index % rows * columns + index / rows])
      }
      #expect(down.sums.kept == along.sums.kept)
    }
  }

  /// Every type that holds the same numbers gives the same estimate.
  @Test func typesAgree() throws {
    var generator = SplitMix64(seed: 41)
    let integers = (0..<512).map { _ in Int8(truncatingIfNeeded: generator.next()) }
    for axis in GradientAxis.allCases {
      for method in [GradientMethod.minimumVariance, .sequential, .greedy] {
        for pattern in [try Pattern(n: 2, m: 4), try Pattern(n: 1, m: 2)] {
          let estimator = try GradientEstimator(
            pattern: pattern,
            axis: axis,
            method: method,
            seed: 42
          )
          let expected = try estimator.estimate(integers.map { Float($0) }, columns: 32)
          func check<Element: BitwiseCopyable>(
            _ type: DataType,
            _ convert: (Int8) -> Element
          ) throws {
            for withProbabilities in [false, true] {
              let estimate = try estimator.estimate(
                integers.map(convert),
                type,
                columns: 32,
                withProbabilities: withProbabilities
              )
              #expect(estimate.values == expected.values, "\(type)")
              #expect(estimate.mask == expected.mask, "\(type)")
              #expect(estimate.sums == expected.sums, "\(type)")
            }
          }
          try check(.float64) { Double($0) }
          try check(.float32) { Float($0) }
          try check(.float16) { float16Bits(Int($0)) }
          try check(.bfloat16) { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) }
          try check(.int8) { $0 }
          try check(.int16) { Int16($0) }
          try check(.int32) { Int32($0) }
          try check(.int64) { Int64($0) }
        }
      }
    }
  }

  /// Where one number of a strip is not a float32 the strip takes another path to the same result.
  @Test func oneOddNumberChangesNothingElse() throws {
    let elements = GradientData.normal.matrix(count: 1024, seed: 43).map { Double($0) }
    var odd = elements
    odd[700] = 0.1
    for axis in GradientAxis.allCases {
      let estimator = try GradientEstimator(
        pattern: Pattern(n: 2, m: 4),
        axis: axis,
        method: .minimumVariance,
        seed: 44
      )
      func values(_ elements: [Double]) throws -> [Float] {
        try estimator.estimate(elements, .float64, columns: 32, withProbabilities: false).values
      }
      let before = try values(elements)
      let after = try values(odd)
      let differing = before.indices.filter { before[$0] != after[$0] }
      let group = axis == .row ? 700 / 4 : 700 % 32 * 8 + 700 / 32 / 4
      #expect(
        differing.allSatisfy { (axis == .row ? $0 / 4 : $0 % 32 * 8 + $0 / 32 / 4) == group }
      )
    }
  }

  /// The bits of a small integer as IEEE 754 half precision.
  private func float16Bits(_ value: Int) -> UInt16 {
    guard value != 0 else { return 0 }
    let magnitude = Float(abs(value))
    let field = UInt16(Int(magnitude.exponent) + 15)
    let fraction = UInt16(truncatingIfNeeded: magnitude.significandBitPattern >> 13)
    return (value < 0 ? 0x8000 : 0) | field << 10 | fraction
  }

  @Test func halfPrecisionValues() {
    let cases: [(UInt16, Float)] = [
      (0x0000, 0), (0x3C00, 1), (0xC000, -2), (0x7BFF, 65504), (0x0400, 0x1p-14),
      (0x0001, 0x1p-24), (0x03FF, 0x3FFp-24), (0x3555, 0x1.554p-2), (0x7C00, .infinity),
      (0xFC00, -.infinity),
    ]
    for (bits, value) in cases { #expect(Float(float16Bits: bits) == value) }
    #expect(Float(float16Bits: 0x7E00).isNaN)
    #expect(Float(float16Bits: 0x8000).sign == .minus)
  }

  @Test func seedsAndTensorsDiffer() throws {
    let elements = GradientData.normal.matrix(count: 4096, seed: 51)
    func values(seed: UInt64, tensor: String) throws -> [Float] {
      try GradientEstimator(
        pattern: Pattern(n: 1, m: 2),
        axis: .row,
        method: .minimumVariance,
        seed: seed,
        tensorKey: GradientEstimator.tensorKey(name: tensor)
      ).estimate(elements, columns: 4096).values
    }
    let first = try values(seed: 0, tensor: "")
    #expect(try first == values(seed: 0, tensor: ""))
    for other in [
      try values(seed: 1, tensor: ""), try values(seed: 1 << 32, tensor: ""),
      try values(seed: 0, tensor: "a"),
    ] {
      let same = zip(first, other).filter { $0 == $1 }.count
      #expect(same < 3300)
    }
  }

  /// RFC 9923 and the hash's authors give these.
  @Test func tensorKeys() {
    #expect(GradientEstimator.tensorKey(name: "") == 0xCBF2_9CE4_8422_2325)
    #expect(GradientEstimator.tensorKey(name: "a") == 0xAF63_DC4C_8601_EC8C)
    #expect(GradientEstimator.tensorKey(name: "foobar") == 0x8594_4171_F739_67E8)
  }

  @Test func patternsThatDoNotFit() throws {
    let pattern = try Pattern(n: 3, m: 4)
    #expect(throws: GradientError.keptCountTooLargeForSequential(n: 3)) {
      try GradientEstimator(pattern: pattern, axis: .row, method: .sequential, seed: 0)
    }
    #expect(throws: GradientError.groupSizeTooLarge(m: 1025)) {
      try GradientEstimator(
        pattern: Pattern(n: 1, m: 1025),
        axis: .row,
        method: .greedy,
        seed: 0
      )
    }
    let row = try GradientEstimator(
      pattern: pattern,
      axis: .row,
      method: .minimumVariance,
      seed: 0
    )
    #expect(throws: GradientError.notDivisible(axis: .row, length: 6, m: 4)) {
      try row.estimate([Float](repeating: 1, count: 24), columns: 6)
    }
    let column = try GradientEstimator(
      pattern: pattern,
      axis: .column,
      method: .minimumVariance,
      seed: 0
    )
    #expect(throws: GradientError.notDivisible(axis: .column, length: 6, m: 4)) {
      try column.estimate([Float](repeating: 1, count: 24), columns: 4)
    }
    #expect(throws: GradientError.tooManyGroups) {
      try row.checkShape(rows: 1 << 40, columns: 1 << 20)
    }
    #expect(try row.estimate([] as [Float], columns: 0).values.isEmpty)
    #expect(try row.estimate([] as [Float], columns: 4).sums == GradientSums())
  }
}
