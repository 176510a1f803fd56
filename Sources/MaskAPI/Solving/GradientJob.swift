// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// The sparse estimate of one gradient matrix, made band by band on the solver pool.
final class GradientJob: @unchecked Sendable {
  // Sendable although it holds pointers: each worker writes rows that no other worker has, and they
  // are read after all are done.

  enum Failure: Error {
    case gradient(GradientError)
    /// The client is gone.
    case cancelled
  }

  let rows: Int
  let columns: Int
  private(set) var sums = GradientSums()
  private let estimator: GradientEstimator
  private let values: UnsafeMutablePointer<Float>
  private let mask: UnsafeMutablePointer<UInt8>
  private let probabilities: UnsafeMutablePointer<Double>?

  /// Makes room for the estimate of a `rows` x `columns` matrix.
  ///
  /// - Throws: `GradientError` where whole groups do not cover the matrix.
  init(
    _ estimator: GradientEstimator,
    rows: Int,
    columns: Int,
    wantsProbabilities: Bool
  ) throws(GradientError) {
    try estimator.checkShape(rows: rows, columns: columns)
    self.estimator = estimator
    self.rows = rows
    self.columns = columns
    values = .allocate(capacity: max(1, rows * columns))
    mask = .allocate(capacity: max(1, rows * ((columns + 7) / 8)))
    mask.initialize(repeating: 0, count: rows * ((columns + 7) / 8))
    probabilities = wantsProbabilities ? .allocate(capacity: max(1, rows * columns)) : nil
  }

  deinit {
    values.deallocate()
    mask.deallocate()
    probabilities?.deallocate()
  }

  /// Estimates a matrix that stays in memory during the call.
  ///
  /// - Throws: the fault of the first entry at fault, in row-major order of the bands.
  func run(
    _ matrix: MatrixView,
    on pool: SolverPool,
    isClientGone: () -> Bool
  ) throws(Failure) {
    let height = estimator.axis == .row ? 1 : estimator.pattern.m
    let bandHeight = height * max(1, 65_536 / max(1, height * columns))
    let starts = Array(stride(from: 0, to: rows, by: bandHeight))
    let results = pool.map(starts.count, isClientGone: isClientGone) { [self] index in
      let band = starts[index]..<min(starts[index] + bandHeight, rows)
      return Result { () throws(GradientError) in
        try estimator.estimate(
          matrix.rows(band), firstRow: band.lowerBound, totalRows: rows,
          values: values + band.lowerBound * columns,
          mask: mask + band.lowerBound * ((columns + 7) / 8),
          probabilities: probabilities.map { $0 + band.lowerBound * columns })
      }
    }
    guard let results else { throw .cancelled }
    for result in results {
      do throws(GradientError) {
        sums.add(try result.get())
      } catch {
        throw .gradient(error)
      }
    }
  }

  // MARK: The estimate

  /// The estimate, row-major; valid while the job lives.
  var valueBuffer: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: values, count: rows * columns)
  }

  /// What is kept, as packed rows; valid while the job lives.
  var maskBytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: mask, count: rows * ((columns + 7) / 8))
  }

  /// Each entry's probability to be kept; valid while the job lives.
  var probabilityBuffer: UnsafeBufferPointer<Double>? {
    probabilities.map { UnsafeBufferPointer(start: $0, count: rows * columns) }
  }
}
