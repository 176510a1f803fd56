// SPDX-License-Identifier: GPL-3.0-or-later

/// Turns bands of a gradient matrix into sparse estimates of it.
///
/// An estimate is a function of the entries, the pattern, the seed, the tensor's key and the index
/// of the group alone: bands may be taken in any order, on any number of threads, on any machine.
///
/// Group k of a matrix is `row` x (`columns` / m) + position along a row, and
/// `column` x (`rows` / m) + position down a column.
public struct GradientEstimator: Sendable {
  public let pattern: Pattern
  public let axis: GradientAxis
  public let method: GradientMethod
  public let seed: UInt64
  public let tensorKey: UInt64

  let stream: RandomStream

  /// Makes an estimator for one tensor.
  ///
  /// - Parameters:
  ///   - pattern: how many of each group are kept, with m <= 1024.
  ///   - axis: the direction of the groups.
  ///   - method: any but `stochasticThreshold`.
  ///   - seed: the key of the random numbers.
  ///   - tensorKey: tells apart tensors under one seed; see `tensorKey(name:)`.
  /// - Throws: `GradientError` if the method does not allow the pattern.
  public init(
    pattern: Pattern,
    axis: GradientAxis,
    method: GradientMethod,
    seed: UInt64,
    tensorKey: UInt64 = 0
  ) throws(GradientError) {
    guard pattern.m <= Pattern.maximumGroupSize(for: .row) else {
      throw .groupSizeTooLarge(m: pattern.m)
    }
    guard method != .stochasticThreshold else { throw .thresholdMissing }
    guard method != .sequential || pattern.n <= 2 else {
      throw .keptCountTooLargeForSequential(n: pattern.n)
    }
    self.pattern = pattern
    self.axis = axis
    self.method = method
    self.seed = seed
    self.tensorKey = tensorKey
    stream = RandomStream(seed: seed, tensorKey: tensorKey)
  }

  /// The key of a named tensor: the 64-bit FNV-1a hash of the name's UTF-8.
  ///
  /// Source: G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, RFC 9923.
  public static func tensorKey(name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }

  /// Estimates the rows of a band.
  ///
  /// - Parameters:
  ///   - band: rows `firstRow ..< firstRow + band.rows` of the matrix; for `column` a multiple of m.
  ///   - firstRow: where the band starts; for `column` a multiple of m.
  ///   - totalRows: the rows of the whole matrix.
  ///   - values: `band.rows` x `band.columns` numbers to write.
  ///   - mask: `band.rows` x ceil(`band.columns` / 8) bytes to write, bit c % 8 of byte c / 8 of a
  ///     row being 1 where column c is kept.
  ///   - probabilities: where to write each entry's probability to be kept, like `values`, or nil.
  /// - Returns: the sums over the band.
  /// - Throws: `GradientError` for a side that m does not divide, or naming the first entry that is
  ///   not finite or whose estimate float32 cannot hold. Nothing written is then of any use.
  /// - Complexity: O(`band.rows` x `band.columns`), times 1 + the entries of a group that are kept
  ///   with certainty.
  public func estimate(
    _ band: MatrixView,
    firstRow: Int,
    totalRows: Int,
    values: UnsafeMutablePointer<Float>,
    mask: UnsafeMutablePointer<UInt8>,
    probabilities: UnsafeMutablePointer<Double>? = nil
  ) throws(GradientError) -> GradientSums {
    try checkShape(rows: totalRows, columns: band.columns)
    if axis == .column, !band.rows.isMultiple(of: pattern.m) || !firstRow.isMultiple(of: pattern.m)
    {
      throw .notDivisible(axis: .column, length: band.rows, m: pattern.m)
    }
    var sums = GradientSums()
    let height = axis == .row ? 1 : pattern.m
    var strip = GradientStrip(estimator: self, columns: band.columns, totalRows: totalRows)
    for row in stride(from: 0, to: band.rows, by: height) {
      try strip.estimate(
        band.rows(row..<row + height),
        firstRow: firstRow + row,
        values: values + row * band.columns,
        mask: mask + row * ((band.columns + 7) / 8),
        probabilities: probabilities.map { $0 + row * band.columns },
        sums: &sums
      )
    }
    return sums
  }

  /// Checks that whole groups cover a matrix.
  ///
  /// - Throws: `GradientError.notDivisible` or `.tooManyGroups`.
  public func checkShape(rows: Int, columns: Int) throws(GradientError) {
    let length = axis == .row ? columns : rows
    guard length.isMultiple(of: pattern.m) else {
      throw .notDivisible(axis: axis, length: length, m: pattern.m)
    }
    let (count, isTooLarge) = rows.multipliedReportingOverflow(by: columns)
    guard !isTooLarge, count <= RandomStream.maximumGroupCount else { throw .tooManyGroups }
  }
}
