// SPDX-License-Identifier: GPL-3.0-or-later

/// The smallest part of a matrix that has whole groups: one row, or m rows for `column`.
///
/// Its sums are taken in one fixed order, eight groups abreast, whatever the instruction set.
struct GradientStrip: ~Copyable {
  private let estimator: GradientEstimator
  private let columns: Int
  private let groupsPerRow: Int
  private let groupsPerColumn: Int
  private let group: GroupWorkspace
  private let elements: UnsafeMutablePointer<Double>
  private let minimumVariance: MinimumVariance
  private let sequential: SequentialSampling
  private let greedy: GreedyGradient

  init(estimator: GradientEstimator, columns: Int, totalRows: Int) {
    let pattern = estimator.pattern
    self.estimator = estimator
    self.columns = columns
    groupsPerRow = columns / pattern.m
    groupsPerColumn = totalRows / pattern.m
    group = GroupWorkspace(m: pattern.m)
    elements = .allocate(capacity: max(1, columns * (estimator.axis == .row ? 1 : pattern.m)))
    minimumVariance = MinimumVariance(n: pattern.n, m: pattern.m)
    sequential = SequentialSampling(n: min(2, pattern.n), m: pattern.m)
    greedy = GreedyGradient(n: pattern.n)
  }

  deinit { elements.deallocate() }

  /// Estimates the groups of one strip and adds to `sums`.
  mutating func estimate(
    _ strip: MatrixView,
    firstRow: Int,
    values: UnsafeMutablePointer<Float>,
    mask: UnsafeMutablePointer<UInt8>,
    probabilities: UnsafeMutablePointer<Double>?,
    sums: inout GradientSums
  ) throws(GradientError) {
    try read(strip, firstRow: firstRow)
    let maskBytes = (columns + 7) / 8
    mask.update(repeating: 0, count: strip.rows * maskBytes)
    let m = estimator.pattern.m
    let isRow = estimator.axis == .row
    let stride = isRow ? 1 : columns
    var lanes = Lanes()
    var overflow: (row: Int, column: Int)?
    for ordinal in 0..<(isRow ? groupsPerRow : columns) {
      let start = isRow ? ordinal * m : ordinal
      let index =
        isRow
        ? firstRow * groupsPerRow + ordinal
        : ordinal * groupsPerColumn + firstRow / m
      let nonZeros = group.load(elements + start, stride: stride)
      if let probabilities {
        writeProbabilities(nonZeros, probabilities + start, stride)
        _ = group.load(elements + start, stride: stride)
      }
      let squares = group.sumOfSquares()
      let outcome = estimateGroup(index: UInt64(index), nonZeros: nonZeros)
      if outcome.overflow >= 0 {
        let place =
          isRow
          ? (firstRow, start + outcome.overflow) : (firstRow + outcome.overflow, ordinal)
        if overflow.map({ place < $0 }) ?? true { overflow = place }
      }
      sums.kept += outcome.kept
      sums.zeros += m - nonZeros
      lanes.add(ordinal, outcome, squares)
      for position in 0..<m {
        values[start + position * stride] = group.values[position]
        let column = isRow ? start + position : start
        let byte = isRow ? column / 8 : position * maskBytes + column / 8
        mask[byte] |= (group.kept[position] ? 1 : 0) << UInt8(column % 8)
      }
    }
    if let overflow { throw .overflow(row: overflow.row, column: overflow.column) }
    sums.count += strip.rows * columns
    lanes.add(to: &sums)
  }

  /// Reads the strip as doubles.
  private borrowing func read(_ strip: MatrixView, firstRow: Int) throws(GradientError) {
    for row in 0..<strip.rows {
      let destination = elements + row * columns
      strip.readRow(row, into: destination)
      guard strip.dataType.isFloatingPoint else { continue }
      // Infinity or NaN minus itself is NaN, which no later zero can cure.
      var probe = 0.0
      for column in 0..<columns { probe += destination[column] - destination[column] }
      if probe != 0 || probe.isNaN {
        for column in 0..<columns where !destination[column].isFinite {
          throw .notFinite(row: firstRow + row, column: column)
        }
      }
    }
  }

  private borrowing func estimateGroup(index: UInt64, nonZeros: Int) -> GroupOutcome {
    switch estimator.method {
    case .minimumVariance, .stochasticThreshold:
      return minimumVariance.estimate(
        group,
        nonZeros: nonZeros,
        random: estimator.stream.bits(group: index)
      )
    case .sequential:
      return sequential.estimate(
        group,
        nonZeros: nonZeros,
        random: estimator.stream.bits(group: index),
        rounding: estimator.stream.bits(group: index, draw: 1)
      )
    case .greedy:
      return greedy.estimate(group, nonZeros: nonZeros)
    }
  }

  private borrowing func writeProbabilities(
    _ nonZeros: Int,
    _ destination: UnsafeMutablePointer<Double>,
    _ stride: Int
  ) {
    switch estimator.method {
    case .minimumVariance, .stochasticThreshold:
      minimumVariance.probabilities(group, nonZeros: nonZeros, into: destination, stride: stride)
    case .sequential:
      sequential.probabilities(group, nonZeros: nonZeros, into: destination, stride: stride)
    case .greedy:
      greedy.probabilities(group, nonZeros: nonZeros, into: destination, stride: stride)
    }
  }
}

/// Eight partial sums of each kind; group g of a strip goes to lane g mod 8.
struct Lanes {
  var variance = SIMD8<Double>()
  var squaredBias = SIMD8<Double>()
  var squares = SIMD8<Double>()

  mutating func add(_ ordinal: Int, _ outcome: GroupOutcome, _ sumOfSquares: Double) {
    variance[ordinal & 7] += outcome.variance
    squaredBias[ordinal & 7] += outcome.squaredBias
    squares[ordinal & 7] += sumOfSquares
  }

  func add(to sums: inout GradientSums) {
    sums.exactVariance.add(Lanes.total(variance))
    sums.exactSquaredBias.add(Lanes.total(squaredBias))
    sums.exactSumOfSquares.add(Lanes.total(squares))
  }

  private static func total(_ lanes: SIMD8<Double>) -> Double {
    let pairs = lanes.evenHalf + lanes.oddHalf
    let quads = pairs.evenHalf + pairs.oddHalf
    return quads[0] + quads[1]
  }
}
