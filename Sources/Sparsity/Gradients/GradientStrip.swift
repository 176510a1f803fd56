// SPDX-License-Identifier: GPL-3.0-or-later

import CKernels

/// The smallest part of a matrix that has whole groups: one row, or m rows for `column`.
///
/// Its sums are taken in one fixed order, eight groups abreast, whatever the kernel.
struct GradientStrip: ~Copyable {
  private let estimator: GradientEstimator
  private let columns: Int
  private let groupsPerRow: Int
  private let groupsPerColumn: Int
  private let group: GroupWorkspace
  private let elements: UnsafeMutablePointer<Double>
  /// The strip in float32, for the kernel, where it comes in another type.
  private let converted: UnsafeMutablePointer<Float>
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
    let count = max(1, columns * (estimator.axis == .row ? 1 : pattern.m))
    elements = .allocate(capacity: count)
    converted = .allocate(capacity: count)
    minimumVariance = MinimumVariance(n: pattern.n, m: pattern.m)
    sequential = SequentialSampling(n: min(2, pattern.n), m: pattern.m)
    greedy = GreedyGradient(n: pattern.n)
  }

  deinit {
    elements.deallocate()
    converted.deallocate()
  }

  private var isRow: Bool { estimator.axis == .row }
  private var groupCount: Int { isRow ? groupsPerRow : columns }
  private var maskByteCount: Int { (columns + 7) / 8 }

  /// Where the estimate of a strip goes.
  struct Output {
    var values: UnsafeMutablePointer<Float>
    var mask: UnsafeMutablePointer<UInt8>
    var probabilities: UnsafeMutablePointer<Double>?
  }

  /// Estimates the groups of one strip and adds to `sums`.
  borrowing func estimate(
    _ strip: MatrixView,
    firstRow: Int,
    output: Output,
    sums: inout GradientSums
  ) throws(GradientError) {
    output.mask.update(repeating: 0, count: strip.rows * maskByteCount)
    var partial = StripSums()
    let done = runKernel(strip, firstRow: firstRow, output: output, partial: &partial)
    try estimateGroups(
      done..<groupCount,
      of: strip,
      firstRow: firstRow,
      output: output,
      partial: &partial
    )
    partial.add(to: &sums, count: strip.rows * columns)
  }

  /// Lets the kernel do whole blocks of eight groups, and returns the number of groups done.
  ///
  /// None, where the kernel does not apply or has met something that no estimate exists for: the
  /// path group by group then finds the error.
  private borrowing func runKernel(
    _ strip: MatrixView,
    firstRow: Int,
    output: Output,
    partial: inout StripSums
  ) -> Int {
    let blocks = groupCount / 8
    guard blocks > 0, estimator.method == .minimumVariance, output.probabilities == nil,
      estimator.kernel.handles(estimator.pattern)
    else { return 0 }
    var source = strip.base
    if strip.dataType != .float32 {
      // Values that float32 holds give the same estimate in every type.
      for row in 0..<strip.rows {
        guard strip.readExactly(row: row, into: converted + row * columns) else { return 0 }
      }
      source = UnsafeRawPointer(converted)
    }
    let place = GradientKernel.Strip(
      pattern: estimator.pattern,
      axis: estimator.axis,
      columns: columns,
      stream: gradients_stream(
        seed: estimator.seed,
        tensor_key: estimator.tensorKey,
        first_group: UInt64(groupIndex(0, firstRow: firstRow)),
        group_stride: UInt64(isRow ? 1 : groupsPerColumn)
      ),
      source: source,
      values: output.values,
      mask: output.mask
    )
    var kernelSums = gradients_sums()
    guard estimator.kernel.estimate(place, blocks: blocks, sums: &kernelSums) else {
      output.mask.update(repeating: 0, count: strip.rows * maskByteCount)
      return 0
    }
    partial = StripSums(kernelSums)
    return 8 * blocks
  }

  /// The index in the whole matrix of a group of the strip.
  private borrowing func groupIndex(_ ordinal: Int, firstRow: Int) -> Int {
    isRow
      ? firstRow * groupsPerRow + ordinal
      : ordinal * groupsPerColumn + firstRow / estimator.pattern.m
  }

  private borrowing func estimateGroups(
    _ ordinals: Range<Int>,
    of strip: MatrixView,
    firstRow: Int,
    output: Output,
    partial: inout StripSums
  ) throws(GradientError) {
    let m = estimator.pattern.m
    let firstColumn = ordinals.lowerBound * (isRow ? m : 1)
    for row in 0..<strip.rows {
      try strip.readFinite(
        row: row,
        columns: firstColumn..<columns,
        into: elements + row * columns + firstColumn,
        firstRow: firstRow
      )
    }
    let stride = isRow ? 1 : columns
    var overflow: (row: Int, column: Int)?
    for ordinal in ordinals {
      let start = isRow ? ordinal * m : ordinal
      let nonZeros = group.load(elements + start, stride: stride)
      if let probabilities = output.probabilities {
        writeProbabilities(nonZeros, probabilities + start, stride)
        _ = group.load(elements + start, stride: stride)
      }
      let squares = group.sumOfSquares()
      let index = UInt64(groupIndex(ordinal, firstRow: firstRow))
      let outcome = estimateGroup(index: index, nonZeros: nonZeros)
      if outcome.overflow >= 0 {
        let place =
          isRow
          ? (row: firstRow, column: start + outcome.overflow)
          : (row: firstRow + outcome.overflow, column: ordinal)
        if overflow.map({ place < $0 }) ?? true { overflow = place }
      }
      partial.add(ordinal, outcome, squares: squares, zeros: m - nonZeros)
      for position in 0..<m {
        output.values[start + position * stride] = group.values[position]
        let column = isRow ? start + position : start
        let byte = isRow ? column / 8 : position * maskByteCount + column / 8
        output.mask[byte] |= (group.kept[position] ? 1 : 0) << UInt8(column % 8)
      }
    }
    if let overflow { throw .overflow(row: overflow.row, column: overflow.column) }
  }

  private borrowing func estimateGroup(index: UInt64, nonZeros: Int) -> GroupOutcome {
    switch estimator.method {
    case .minimumVariance, .stochasticThreshold:
      minimumVariance.estimate(
        group,
        nonZeros: nonZeros,
        random: estimator.stream.bits(group: index)
      )
    case .sequential:
      sequential.estimate(
        group,
        nonZeros: nonZeros,
        random: estimator.stream.bits(group: index),
        rounding: estimator.stream.bits(group: index, draw: 1)
      )
    case .greedy:
      greedy.estimate(group, nonZeros: nonZeros)
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
