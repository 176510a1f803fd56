// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Sparsity
import Synchronization
import SyntheticWeights

/// What is measured: one call, again and again.
protocol Benchmark {
  func measure(repetitions: Int) throws -> BenchRow
}

/// The matrix that a benchmark works on, and with how many threads.
struct BenchInput {
  let kind: WeightKind
  let size: Int
  let threads: Int

  func weights() -> [Float] { kind.matrix(rows: size, columns: size, seed: 1) }
}

/// Finding the mask of a matrix.
struct MaskBenchmark: Benchmark {
  let specification: MaskSpecification
  let input: BenchInput
  let instructionSet: InstructionSet

  func measure(repetitions: Int) throws -> BenchRow {
    let layout = try MaskLayout(specification, rows: input.size, columns: input.size)
    let weights = input.weights()
    let solvers = (0..<input.threads).map { _ in
      BandSolver(layout: layout, instructionSet: instructionSet)
    }
    let rowByteCount = layout.maskRowByteCount
    let mask = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: layout.rows * rowByteCount)
    defer { mask.deallocate() }
    let target = SharedRows(MaskRows(base: mask.baseAddress!, rowByteCount: rowByteCount))
    var outcomes: [MaskOutcome] = []
    let durations = try weights.withUnsafeBytes { bytes in
      let matrix = MatrixView(
        bytes,
        dataType: .float32,
        rows: layout.rows,
        columns: layout.columns
      )
      return try (0...repetitions).map { _ in
        // The service's masks come zeroed from the system.
        mask.update(repeating: 0)
        let start = ContinuousClock.now
        outcomes = try Parallel.map(layout.bandCount, threads: input.threads) { thread, band in
          let rows = layout.rows(ofBand: band)
          return try solvers[thread].solve(
            band,
            matrix.rows(rows),
            into: target.advanced(by: rows.lowerBound)
          )
        }
        return ContinuousClock.now - start
      }
    }
    let solution = try Solution(
      layout: layout,
      mask: Mask(rows: layout.rows, columns: layout.columns, bytes: Array(mask)),
      outcomes: outcomes
    )
    var row = BenchRow(input: input, durations: durations)
    row.pattern = specification.pattern.description
    row.structure = specification.structure.rawValue
    row.constraint = specification.constraint.rawValue
    row.method = specification.method.rawValue
    row.instructionSet = instructionSet.rawValue
    row.worstRelativeGap = solution.certificate?.relativeGap
    row.allValid = isRight(solution, weights)
    return row
  }

  /// Checks the mask and the sums without the solver's help.
  private func isRight(_ solution: Solution, _ weights: [Float]) -> Bool {
    guard solution.layout.validity(of: solution.mask).isValid else { return false }
    var score = 0.0
    for row in 0..<input.size {
      for column in 0..<input.size where solution.mask[row, column] {
        score += Double(abs(weights[row * input.size + column]))
      }
    }
    let isScore = abs(score - solution.keptMagnitude) <= 1e-9 * score
    guard specification.method == .exact else { return isScore }
    return isScore && solution.certificate?.isOptimal == true
  }
}

/// Making a gradient sparse.
struct GradientBenchmark: Benchmark {
  let estimator: GradientEstimator
  let input: BenchInput

  func measure(repetitions: Int) throws -> BenchRow {
    let size = input.size
    let gradients = input.weights()
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: size * size)
    let mask = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: size * ((size + 7) / 8))
    defer {
      values.deallocate()
      mask.deallocate()
    }
    let target = SharedEstimate(values: values.baseAddress!, mask: mask.baseAddress!)
    // Rows of about 256 KiB at a time, as the service takes them.
    let height = max(1, 65_536 / size)
    var sums = GradientSums()
    let durations = try gradients.withUnsafeBytes { bytes in
      let matrix = MatrixView(bytes, dataType: .float32, rows: size, columns: size)
      return try (0...repetitions).map { _ in
        let start = ContinuousClock.now
        let count = (size + height - 1) / height
        let parts = try Parallel.map(count, threads: input.threads) { _, band in
          let rows = (band * height)..<min((band + 1) * height, size)
          return try estimator.estimate(
            matrix.rows(rows),
            firstRow: rows.lowerBound,
            totalRows: size,
            values: target.values + rows.lowerBound * size,
            mask: target.mask + rows.lowerBound * ((size + 7) / 8)
          )
        }
        sums = GradientSums()
        for part in parts { sums.add(part) }
        return ContinuousClock.now - start
      }
    }
    var row = BenchRow(input: input, durations: durations)
    row.pattern = estimator.pattern.description
    row.structure = "row"
    row.constraint = "at_most"
    row.method = estimator.method.rawValue
    row.instructionSet = InstructionSet.widest.rawValue
    row.allValid = values.allSatisfy { $0.isFinite } && sums.kept == mask.keptCount
    return row
  }
}

extension UnsafeMutableBufferPointer<UInt8> {
  fileprivate var keptCount: Int { reduce(0) { $0 + $1.nonzeroBitCount } }
}

/// Rows of a mask that several threads write, each its own.
private struct SharedRows: @unchecked Sendable {
  private let rows: MaskRows
  init(_ rows: MaskRows) { self.rows = rows }

  func advanced(by row: Int) -> MaskRows {
    MaskRows(base: rows.base + row * rows.rowByteCount, rowByteCount: rows.rowByteCount)
  }
}

/// Memory of an estimate that several threads write, each its own rows.
private struct SharedEstimate: @unchecked Sendable {
  let values: UnsafeMutablePointer<Float>
  let mask: UnsafeMutablePointer<UInt8>
}

/// A loop over indices on several threads.
private enum Parallel {
  /// The results of `body` in the order of the indices; on the calling thread alone if `threads` is 1.
  static func map<Result: Sendable>(
    _ count: Int,
    threads: Int,
    _ body: @Sendable (_ thread: Int, _ index: Int) throws -> Result
  ) throws -> [Result] {
    guard threads > 1 else { return try (0..<count).map { try body(0, $0) } }
    let next = Atomic<Int>(0)
    let results = Mutex<[Swift.Result<Result, any Error>?]>(.init(repeating: nil, count: count))
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        let result = Swift.Result { try body(thread, index) }
        results.withLock { $0[index] = result }
      }
    }
    return try results.withLock { try $0.compactMap { try $0?.get() } }
  }
}
