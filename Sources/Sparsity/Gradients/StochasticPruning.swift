// SPDX-License-Identifier: GPL-3.0-or-later

/// Prunes bands of a gradient matrix at random below a threshold: the second pass of
/// `stochasticThreshold`.
///
/// An estimate is a function of the entries, the threshold, the seed, the tensor's key and the
/// entry's index alone. Entries 2 k and 2 k + 1 of the row-major matrix share block k of the
/// random stream.
public struct StochasticPruning: Sendable {
  public let threshold: Float
  private let stream: RandomStream

  /// - Parameters:
  ///   - threshold: what to prune below; nothing, if it is zero.
  ///   - seed: the key of the random numbers.
  ///   - tensorKey: tells apart tensors under one seed.
  public init(threshold: StochasticThreshold, seed: UInt64, tensorKey: UInt64 = 0) {
    self.init(threshold: threshold.threshold, seed: seed, tensorKey: tensorKey)
  }

  init(threshold: Float, seed: UInt64, tensorKey: UInt64) {
    self.threshold = threshold
    stream = RandomStream(seed: seed, tensorKey: tensorKey)
  }

  /// Estimates the rows of a band; the parameters are those of `GradientEstimator.estimate`.
  ///
  /// - Returns: the sums over the band.
  /// - Throws: `GradientError.notFinite`, or `.overflow` for an entry that float32 cannot hold.
  /// - Complexity: O(`band.rows` x `band.columns`).
  public func estimate(
    _ band: MatrixView,
    firstRow: Int,
    totalRows: Int,
    values: UnsafeMutablePointer<Float>,
    mask: UnsafeMutablePointer<UInt8>,
    probabilities: UnsafeMutablePointer<Double>? = nil
  ) throws(GradientError) -> GradientSums {
    let columns = band.columns
    let (count, isTooLarge) = totalRows.multipliedReportingOverflow(by: columns)
    guard !isTooLarge, count <= RandomStream.maximumGroupCount else { throw .tooManyGroups }
    let maskByteCount = (columns + 7) / 8
    mask.update(repeating: 0, count: band.rows * maskByteCount)
    let elements = UnsafeMutablePointer<Double>.allocate(capacity: max(1, columns))
    defer { elements.deallocate() }
    var sums = GradientSums()
    for row in 0..<band.rows {
      try band.readFinite(
        row: row,
        columns: 0..<columns,
        into: elements,
        firstRow: firstRow
      )
      let firstIndex = UInt64((firstRow + row) * columns)
      var block = Philox.Block(low: 0, high: 0)
      var kept = 0
      var zeros = 0
      var variance = 0.0
      var squares = 0.0
      let rowValues = values + row * columns
      let rowMask = mask + row * maskByteCount
      for column in 0..<columns {
        let index = firstIndex + UInt64(column)
        if column == 0 || index & 1 == 0 { block = stream.bits(group: index >> 1) }
        let magnitude = abs(elements[column])
        let (value, probability) = prune(
          elements[column],
          bits: index & 1 == 0 ? block.low : block.high
        )
        guard value.isFinite else { throw .overflow(row: firstRow + row, column: column) }
        let isKept = probability == 1 || value != 0
        rowValues[column] = value
        rowMask[column / 8] |= (isKept ? 1 : 0) << UInt8(truncatingIfNeeded: column % 8)
        if let probabilities { probabilities[row * columns + column] = probability }
        kept += isKept ? 1 : 0
        zeros += magnitude == 0 ? 1 : 0
        variance += max(0, magnitude * (Double(threshold) - magnitude))
        squares += magnitude * magnitude
      }
      sums.kept += kept
      sums.zeros += zeros
      sums.count += columns
      sums.exactVariance.add(variance)
      sums.exactSumOfSquares.add(squares)
    }
    return sums
  }

  /// One entry's estimate and its probability to be kept.
  @inline(__always)
  private func prune(_ entry: Double, bits: UInt64) -> (Float, Double) {
    let magnitude = abs(entry)
    guard magnitude != 0 else { return (0, 0) }
    guard magnitude < Double(threshold) else { return (Float(entry), 1) }
    // A quotient below 1 is at most 1 - 2^-53, so that the product is a 64-bit number; it is exact
    // down to 2^-64.
    let probability = magnitude / Double(threshold)
    let isKept = bits < UInt64(probability * 0x1p64)
    return (isKept ? (entry < 0 ? -threshold : threshold) : 0, probability)
  }
}
