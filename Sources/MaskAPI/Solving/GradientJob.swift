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

  let parameters: GradientParameters
  let rows: Int
  let columns: Int
  private(set) var sums = GradientSums()
  /// The threshold that was found, where the method has one.
  private(set) var threshold: StochasticThreshold?
  private let values: UnsafeMutablePointer<Float>
  private let mask: UnsafeMutablePointer<UInt8>
  private let probabilities: UnsafeMutablePointer<Double>?

  private var maskRowByteCount: Int { (columns + 7) / 8 }

  /// Makes room for the estimate of a `rows` x `columns` matrix.
  ///
  /// - Throws: `GradientError` where whole groups do not cover the matrix.
  init(_ parameters: GradientParameters, rows: Int, columns: Int) throws(GradientError) {
    if case .groups(let estimator) = parameters.plan {
      try estimator.checkShape(rows: rows, columns: columns)
    }
    self.parameters = parameters
    self.rows = rows
    self.columns = columns
    let maskByteCount = rows * ((columns + 7) / 8)
    values = .allocate(capacity: max(1, rows * columns))
    mask = .allocate(capacity: max(1, maskByteCount))
    mask.initialize(repeating: 0, count: maskByteCount)
    probabilities =
      parameters.wantsProbabilities ? .allocate(capacity: max(1, rows * columns)) : nil
  }

  deinit {
    values.deallocate()
    mask.deallocate()
    probabilities?.deallocate()
  }

  /// Estimates a matrix that stays in memory during the call.
  ///
  /// - Throws: the fault of the first band at fault.
  func run(
    _ matrix: MatrixView,
    on pool: SolverPool,
    isClientGone: () -> Bool
  ) throws(Failure) {
    switch parameters.plan {
    case .groups(let estimator):
      let height = estimator.axis == .row ? 1 : estimator.pattern.m
      try fill(matrix, height, pool, isClientGone, by: estimator.estimate)
    case .threshold(let sparsity):
      try prune(matrix, to: sparsity, pool, isClientGone)
    }
  }

  /// Two passes: the law of the whole tensor first, then each entry by it.
  private func prune(
    _ matrix: MatrixView,
    to sparsity: Double,
    _ pool: SolverPool,
    _ isClientGone: () -> Bool
  ) throws(Failure) {
    let fits = try map(matrix, 1, pool, isClientGone) { band, rows throws(GradientError) in
      var fit = LognormalFit()
      try fit.add(band, firstRow: rows.lowerBound)
      return fit
    }
    var fit = LognormalFit()
    for part in fits { fit.add(part) }
    let threshold: StochasticThreshold
    do throws(GradientError) {
      threshold = try StochasticThreshold(fit: fit, sparsity: sparsity)
    } catch {
      throw .gradient(error)
    }
    self.threshold = threshold
    let pruning = StochasticPruning(
      threshold: threshold,
      seed: parameters.seed,
      tensorKey: parameters.tensorKey
    )
    try fill(matrix, 1, pool, isClientGone, by: pruning.estimate)
  }

  /// The estimate of a band, as `GradientEstimator.estimate` and `StochasticPruning.estimate` make
  /// it: the band, its first row, the rows of the matrix, and where the results go.
  private typealias BandEstimate =
    @Sendable (
      MatrixView, Int, Int,
      UnsafeMutablePointer<Float>, UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<Double>?
    ) throws(GradientError) -> GradientSums

  /// Estimates all bands of a multiple of `height` rows.
  private func fill(
    _ matrix: MatrixView,
    _ height: Int,
    _ pool: SolverPool,
    _ isClientGone: () -> Bool,
    by estimate: @escaping BandEstimate
  ) throws(Failure) {
    let parts = try map(matrix, height, pool, isClientGone) {
      [self] band, rows throws(GradientError) in
      let first = rows.lowerBound
      return try estimate(
        band,
        first,
        self.rows,
        values + first * columns,
        mask + first * maskRowByteCount,
        probabilities.map { $0 + first * columns }
      )
    }
    for part in parts { sums.add(part) }
  }

  /// Runs `body` on bands of a multiple of `height` rows.
  private func map<Part: Sendable>(
    _ matrix: MatrixView,
    _ height: Int,
    _ pool: SolverPool,
    _ isClientGone: () -> Bool,
    _ body: @escaping @Sendable (MatrixView, Range<Int>) throws(GradientError) -> Part
  ) throws(Failure) -> [Part] {
    let bandHeight = height * max(1, 65_536 / max(1, height * columns))
    let rows = rows
    let count = (rows + bandHeight - 1) / bandHeight
    let results = pool.map(count, unless: isClientGone()) { index in
      let band = (index * bandHeight)..<min((index + 1) * bandHeight, rows)
      return Result { () throws(GradientError) in try body(matrix.rows(band), band) }
    }
    guard let results else { throw .cancelled }
    var parts: [Part] = []
    for result in results {
      do throws(GradientError) {
        parts.append(try result.get())
      } catch {
        throw .gradient(error)
      }
    }
    return parts
  }

  // MARK: The estimate

  /// The estimate, row-major; valid while the job lives.
  var valueBuffer: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: values, count: rows * columns)
  }

  /// What is kept, as packed rows; valid while the job lives.
  var maskBytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: mask, count: rows * maskRowByteCount)
  }

  /// Each entry's probability to be kept; valid while the job lives.
  var probabilityBuffer: UnsafeBufferPointer<Double>? {
    probabilities.map { UnsafeBufferPointer(start: $0, count: rows * columns) }
  }
}
