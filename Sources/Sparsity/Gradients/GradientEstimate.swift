// SPDX-License-Identifier: GPL-3.0-or-later

/// The estimate of a whole matrix.
public struct GradientEstimate: Sendable, Equatable {
  /// The estimate, row-major.
  public var values: [Float]
  /// A byte for each eight columns of a row, least significant bit first: 1 is kept.
  public var mask: [UInt8]
  /// The probability of each entry to be kept, row-major.
  public var probabilities: [Double]
  /// The sums over the matrix.
  public var sums: GradientSums
}

extension GradientEstimator {
  /// Estimates a whole matrix.
  ///
  /// - Parameters:
  ///   - elements: `rows` x `columns` entries, row-major.
  ///   - columns: the length of a row; the number of rows follows.
  /// - Throws: `GradientError`, as for a band.
  /// - Precondition: the number of elements is a multiple of `columns`.
  public func estimate(_ elements: [Float], columns: Int) throws(GradientError) -> GradientEstimate
  {
    try estimate(elements, .float32, columns: columns)
  }

  /// Estimates a whole matrix.
  ///
  /// - Parameters:
  ///   - elements: `rows` x `columns` entries, row-major.
  ///   - columns: the length of a row; the number of rows follows.
  /// - Throws: `GradientError`, as for a band.
  /// - Precondition: the number of elements is a multiple of `columns`.
  public func estimate(_ elements: [Double], columns: Int) throws(GradientError) -> GradientEstimate
  {
    try estimate(elements, .float64, columns: columns)
  }

  /// The same for any element type; without probabilities, which cost time, they are empty.
  func estimate<Element: BitwiseCopyable>(
    _ elements: [Element],
    _ dataType: DataType,
    columns: Int,
    withProbabilities: Bool = true
  ) throws(GradientError) -> GradientEstimate {
    precondition(dataType.byteCount == MemoryLayout<Element>.size)
    precondition(columns > 0 ? elements.count.isMultiple(of: columns) : elements.isEmpty)
    let rows = columns > 0 ? elements.count / columns : 0
    return try elements.withUnsafeBufferPointer {
      (buffer) throws(GradientError) -> GradientEstimate in
      guard let base = buffer.baseAddress else {
        // Only an empty buffer may lack an address.
        try checkShape(rows: rows, columns: columns)
        return GradientEstimate(values: [], mask: [], probabilities: [], sums: GradientSums())
      }
      let matrix = MatrixView(base: base, dataType: dataType, rows: rows, columns: columns)
      return try estimate(matrix, withProbabilities: withProbabilities)
    }
  }

  private func estimate(
    _ matrix: MatrixView,
    withProbabilities: Bool
  ) throws(GradientError) -> GradientEstimate {
    let count = matrix.rows * matrix.columns
    let maskCount = matrix.rows * ((matrix.columns + 7) / 8)
    // Through raw memory rather than nested array closures, so that errors keep their type.
    let values = UnsafeMutablePointer<Float>.allocate(capacity: max(1, count))
    let mask = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, maskCount))
    let probabilities = UnsafeMutablePointer<Double>.allocate(capacity: max(1, count))
    defer {
      values.deallocate()
      mask.deallocate()
      probabilities.deallocate()
    }
    let sums = try estimate(
      matrix,
      firstRow: 0,
      totalRows: matrix.rows,
      values: values,
      mask: mask,
      probabilities: withProbabilities ? probabilities : nil
    )
    return GradientEstimate(
      values: Array(UnsafeBufferPointer(start: values, count: count)),
      mask: Array(UnsafeBufferPointer(start: mask, count: maskCount)),
      probabilities: withProbabilities
        ? Array(UnsafeBufferPointer(start: probabilities, count: count)) : [],
      sums: sums
    )
  }
}
