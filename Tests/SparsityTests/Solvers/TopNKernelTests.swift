// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

/// The kernels for plain N:M against the solver for one group, on every instruction set.
struct TopNKernelTests {
  private struct Outcome: Equatable {
    var mask: [UInt8]
    var sums: MaskOutcome
  }

  /// Solves whole strips, the columns beyond `columns` being none of the solver's business.
  private func outcome(
    _ solver: any MaskSolver,
    _ matrix: MatrixView,
    height: Int,
    columns: Int
  ) throws -> Outcome {
    let rowByteCount = (matrix.columns + 7) / 8
    var mask = [UInt8](repeating: 0, count: matrix.rows * rowByteCount)
    let result = mask.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(SolveError) in
        try solver.solveStrips(
          matrix,
          height: height,
          columns: columns,
          into: MaskRows(base: buffer.baseAddress!, rowByteCount: rowByteCount)
        )
      }
    }
    return Outcome(mask: mask, sums: try result.get())
  }

  private func check<Element: BitwiseCopyable>(
    _ values: [Element],
    _ dataType: DataType,
    _ n: Int,
    _ m: Int,
    _ axis: Side,
    rows: Int,
    columns: Int,
    _ context: String
  ) throws {
    let pattern = try Pattern(n: n, m: m)
    let height = axis == .rows ? 1 : m
    let grouped = axis == .rows ? columns / m * m : columns
    try values.withUnsafeBytes { bytes in
      let matrix = MatrixView(bytes, dataType: dataType, rows: rows, columns: columns)
      let expected = try outcome(
        TopNSolver(pattern: pattern, axis: axis),
        matrix,
        height: height,
        columns: grouped
      )
      var first: Outcome?
      for set in InstructionSet.allCases where set.isAvailable {
        let kernels = try #require(
          TopNKernelSolver(pattern: pattern, axis: axis, instructionSet: set)
        )
        let found = try outcome(kernels, matrix, height: height, columns: grouped)
        #expect(found.mask == expected.mask, "\(context) \(set)")
        #expect(found.sums.kept == expected.sums.kept, "\(context) \(set)")
        #expect(found.sums.gap == 0)
        #expect(close(found.sums.keptMagnitude, expected.sums.keptMagnitude), "\(context) \(set)")
        #expect(close(found.sums.totalMagnitude, expected.sums.totalMagnitude), "\(context) \(set)")
        #expect(first == nil || first == found, "\(context) \(set)")
        first = found
      }
    }
  }

  private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(abs(a), abs(b)) }

  @Test("Every m, tied and untied", arguments: [WeightKind.normal, .int4, .ternary, .lognormal10])
  func everyGroupSize(_ kind: WeightKind) throws {
    for m in [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64, 100, 1000, 1024] {
      for n in Set([1, m / 4, m / 2, m - 1, m]) where n >= 1 {
        for axis in [Side.rows, .columns] {
          let (rows, columns) = axis == .rows ? (3, 5 * m + 3) : (2 * m, 45)
          let values = kind.matrix(rows: rows, columns: columns, seed: UInt64(m))
          try check(
            values,
            .float32,
            n,
            m,
            axis,
            rows: rows,
            columns: columns,
            "\(kind) \(n):\(m) \(axis) seed \(m)"
          )
        }
      }
    }
  }

  @Test("Every type, at both ends of its range")
  func everyType() throws {
    func values<Element: FixedWidthInteger>(_ type: Element.Type) -> [Element] {
      var generator = SplitMix64(seed: 5)
      return (0..<(16 * 96)).map { _ in
        switch generator.next() % 8 {
        case 0: .min
        case 1: .max
        case 2: .max - 1
        case 3: 0
        default: Element(truncatingIfNeeded: generator.next())
        }
      }
    }
    for (n, m) in [(1, 4), (2, 4), (4, 8), (3, 6), (8, 32)] {
      for axis in [Side.rows, .columns] {
        let rows = axis == .rows ? 16 : m
        func check<Element: BitwiseCopyable>(_ type: DataType, _ values: [Element]) throws {
          try self.check(
            Array(values.prefix(rows * 96)),
            type,
            n,
            m,
            axis,
            rows: rows,
            columns: 96,
            "\(type) \(n):\(m) \(axis)"
          )
        }
        let floats = Array(
          WeightKind.widerange.matrix(rows: 32, columns: 96, seed: 3).map {
            $0.bitPattern & 7 == 0 ? $0 * 0x1p-100 : $0
          }
        )
        try check(.int8, values(Int8.self) + values(Int8.self))
        try check(.uint8, values(UInt8.self) + values(UInt8.self))
        try check(.int16, values(Int16.self) + values(Int16.self))
        try check(.int32, values(Int32.self) + values(Int32.self))
        try check(.int64, values(Int64.self) + values(Int64.self))
        try check(.float64, floats.map { Double($0) })
        try check(.float32, floats)
        try check(.float16, floats.map { Float16($0 * 0x1p-90) }.map { $0.isFinite ? $0 : 1 })
        try check(.bfloat16, floats.map { UInt16($0.bitPattern >> 16) })
      }
    }
  }
}
