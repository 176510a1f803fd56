// SPDX-License-Identifier: GPL-3.0-or-later

/// Solves bands of one matrix: whole strips by the method asked for, and what lies outside them.
///
/// An instance owns scratch memory and belongs to one thread at a time; several instances may work
/// on different bands of the same matrix.
public final class BandSolver: @unchecked Sendable {
  // Sendable so that idle solvers can wait in a pool: its user sees to it that no two threads use
  // one at a time.
  /// The matrices that are solved.
  public private(set) var layout: MaskLayout
  private let solver: any MaskSolver

  /// Makes a solver for matrices of `layout`.
  ///
  /// - Parameter instructionSet: the kernels to use, for tests and measurements; nil for the widest
  ///   that the processor has. Results do not depend on it.
  public init(layout: MaskLayout, instructionSet: InstructionSet? = nil) {
    self.layout = layout
    let pattern = layout.specification.pattern
    let constraint = layout.specification.constraint
    switch (layout.specification.structure, layout.specification.method) {
    case (.row, _), (.column, _):
      let axis: Side = layout.specification.structure == .row ? .rows : .columns
      let kernels = TopNKernelSolver(
        pattern: pattern,
        axis: axis,
        instructionSet: instructionSet ?? .widest
      )
      solver = kernels ?? TopNSolver(pattern: pattern, axis: axis)
    case (.transposable, .exact):
      let kernels = ExactKernelSolver(
        pattern: pattern,
        constraint: constraint,
        instructionSet: instructionSet ?? .widest
      )
      solver =
        kernels ?? TileStripSolver(ExactTileSolver(pattern: pattern, constraint: constraint))
    case (.transposable, .minimumCostFlow):
      solver = TileStripSolver(MinimumCostFlowSolver(pattern: pattern, constraint: constraint))
    case (.transposable, .greedy):
      solver = TileStripSolver(GreedySolver(pattern: pattern, constraint: constraint))
    case (.transposable, .twoApproximation):
      solver = TileStripSolver(TwoApproximationSolver(pattern: pattern, constraint: constraint))
    }
  }

  /// Makes a solver that works by `solver`, for tests.
  init(layout: MaskLayout, solver: any MaskSolver) {
    self.layout = layout
    self.solver = solver
  }

  /// Turns to matrices of another shape, keeping what was prepared for the specification.
  ///
  /// - Precondition: the specification is the same.
  public func turn(to layout: MaskLayout) {
    precondition(layout.specification == self.layout.specification)
    self.layout = layout
  }

  /// Solves the band at `index`.
  ///
  /// - Parameters:
  ///   - band: the band's rows.
  ///   - mask: the band's rows of the mask, all zero on entry.
  /// - Throws: `SolveError.notFinite`, with the entry's place in the whole matrix.
  /// - Complexity: that of the method; every entry is read a bounded number of times.
  public func solve(
    _ index: Int,
    _ band: MatrixView,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    let rows = layout.rows(ofBand: index)
    precondition(band.rows == rows.count && band.columns == layout.columns)
    if !solver.looksForNotFinite { try checkFinite(band, firstRow: rows.lowerBound) }
    var outcome = MaskOutcome()
    let groupedRows = min(band.rows, layout.groupedRows - rows.lowerBound)
    if groupedRows > 0 {
      let strips = band.rows(0..<groupedRows)
      outcome += try solver.solveStrips(
        strips,
        height: layout.stripHeight,
        columns: layout.groupedColumns,
        into: mask
      )
      if layout.groupedColumns < layout.columns {
        outcome += keepAll(strips, from: layout.groupedColumns, in: mask)
      }
    }
    if groupedRows < band.rows {
      outcome += keepAll(
        band.rows(groupedRows..<band.rows),
        from: 0,
        in: mask.advanced(by: groupedRows)
      )
    }
    // Magnitudes that are all finite can still have too large a sum.
    if solver.looksForNotFinite, !outcome.totalMagnitude.isFinite {
      try checkFinite(band, firstRow: rows.lowerBound)
    }
    return outcome
  }

  private func checkFinite(_ band: MatrixView, firstRow: Int) throws(SolveError) {
    guard let entry = band.firstNotFinite() else { return }
    throw .notFinite(row: firstRow + entry.row, column: entry.column)
  }

  private func keepAll(_ rows: MatrixView, from column: Int, in mask: MaskRows) -> MaskOutcome {
    var outcome = MaskOutcome()
    let sum = rows.sumOfMagnitudes(fromColumn: column)
    outcome.kept = rows.rows * (rows.columns - column)
    outcome.keptMagnitude = sum
    outcome.totalMagnitude = sum
    for row in 0..<rows.rows {
      for column in column..<rows.columns { mask.write(1, count: 1, row: row, column: column) }
    }
    return outcome
  }
}

extension MaskLayout {
  /// Finds the mask of a whole matrix on the calling thread.
  ///
  /// - Throws: `SolveError` where an entry is not finite or a sum overflows.
  public func solve(_ matrix: MatrixView) throws(SolveError) -> Solution {
    precondition(matrix.rows == rows && matrix.columns == columns)
    let solver = BandSolver(layout: self)
    var mask = Mask(rows: rows, columns: columns)
    let rowByteCount = mask.rowByteCount
    var outcomes: [MaskOutcome] = []
    for band in 0..<bandCount {
      let rows = rows(ofBand: band)
      // A typed throw does not pass through the closure of a rethrowing function.
      let result = mask.bytes.withUnsafeMutableBufferPointer {
        buffer -> Result<MaskOutcome, SolveError> in
        guard let base = buffer.baseAddress else { return .success(MaskOutcome()) }
        let target = MaskRows(base: base, rowByteCount: rowByteCount).advanced(by: rows.lowerBound)
        return Result { () throws(SolveError) in
          try solver.solve(band, matrix.rows(rows), into: target)
        }
      }
      outcomes.append(try result.get())
    }
    return try Solution(layout: self, mask: mask, outcomes: outcomes)
  }
}
