// SPDX-License-Identifier: GPL-3.0-or-later

internal import CKernels

/// The best transposable masks of many tiles at once, with a proof: the vector kernels.
///
/// The same method as `ExactTileSolver`, which is their oracle, but with sweeps in 16-bit integers
/// over as many tiles as a vector has lanes; `CKernels/transposable.h` says how. Scores agree with
/// the oracle's; among masks of equal score the two may choose differently, each always the same.
/// Where 64-bit integers do not fit float64, the tile is the oracle's.
///
/// - Complexity: O(m² log² m) for each tile that the sweeps settle, O(m²) for each augmentation in
///   one that they do not.
final class ExactKernelSolver: MaskSolver {
  private let pattern: Pattern
  private let constraint: Constraint
  private let table: UnsafePointer<nmk_table>
  private let plan: UnsafeMutablePointer<nmk_plan>
  private var workspace: UnsafeMutableRawPointer?
  private var workspaceTileCount = 0
  private lazy var integerSolver = TileStripSolver(
    ExactTileSolver(pattern: pattern, constraint: constraint)
  )

  /// Makes a solver; nil if the kernels do not know the pattern or the set is not available.
  init?(pattern: Pattern, constraint: Constraint, instructionSet: InstructionSet) {
    guard let table = instructionSet.table else { return nil }
    self.pattern = pattern
    self.constraint = constraint
    self.table = table
    plan = .allocate(capacity: 1)
    guard
      nmk_plan_init(plan, Int32(pattern.n), Int32(pattern.m), constraint == .atMost)
    else {
      plan.deallocate()
      return nil
    }
  }

  deinit {
    plan.deallocate()
    workspace?.deallocate()
  }

  /// How many tiles each stage settled in the last call, the same with each instruction set: a
  /// stage that fails shows here, while the next one still finds the optimum.
  private(set) var settledTileCounts: [UInt64] = []

  var looksForNotFinite: Bool { true }

  func solve(
    _ strip: MatrixView,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    try solveStrips(strip, height: strip.rows, columns: columns, into: mask)
  }

  func solveStrips(
    _ strips: MatrixView,
    height: Int,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    let stripCount = strips.rows / height
    guard strips.dataType == .int64, strips.hasIntegersBeyondFloat64 else {
      return run(strips, stripCount: stripCount, tileCount: columns / height, into: mask)
    }
    // One tile at a time, so that what becomes of a tile depends on no other.
    var outcome = MaskOutcome()
    for row in stride(from: 0, to: strips.rows, by: height) {
      for column in stride(from: 0, to: columns, by: height) {
        outcome += try solveTile(strips, row: row, column: column, into: mask)
      }
    }
    return outcome
  }

  private func run(
    _ strips: MatrixView,
    stripCount: Int,
    tileCount: Int,
    into mask: MaskRows
  ) -> MaskOutcome {
    var strip = nmk_strip(
      base: strips.base,
      row_bytes: strips.rowByteCount,
      strips: stripCount,
      tiles: tileCount,
      dtype: strips.dataType.kernelType,
      mask: mask.base,
      mask_row_bytes: mask.rowByteCount
    )
    var sums = nmk_sums()
    table.pointee.transposable(plan, &strip, reserve(stripCount * tileCount), &sums)
    let settled = sums.settled
    settledTileCounts = [settled.0, settled.1, settled.2, settled.3]
    var outcome = MaskOutcome()
    outcome.keptMagnitude = sums.kept
    // A sum that is not finite makes the caller look for the entry.
    outcome.totalMagnitude = sums.nonfinite >= 0 ? .infinity : sums.total
    outcome.gap = sums.gap
    outcome.kept = stripCount * tileCount * pattern.n * pattern.m
    if constraint == .atMost, sums.nonfinite < 0 {
      outcome.kept = mask.keptCount(
        rows: stripCount * pattern.m,
        columns: tileCount * pattern.m
      )
    }
    return outcome
  }

  private func solveTile(
    _ strips: MatrixView,
    row: Int,
    column: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    let m = pattern.m
    let entries = UnsafeMutableRawPointer.allocate(byteCount: m * m * 8, alignment: 8)
    defer { entries.deallocate() }
    for index in 0..<m {
      (entries + index * m * 8).copyMemory(
        from: strips.base + (row + index) * strips.rowByteCount + column * 8,
        byteCount: m * 8
      )
    }
    let tile = MatrixView(base: UnsafeRawPointer(entries), dataType: .int64, rows: m, columns: m)
    let byteCount = (m + 7) / 8
    return try withTemporaryRows(m, byteCount) { tileMask throws(SolveError) in
      let outcome =
        tile.hasIntegersBeyondFloat64
        ? try integerSolver.solve(tile, columns: m, into: tileMask)
        : run(tile, stripCount: 1, tileCount: 1, into: tileMask)
      for index in 0..<m {
        var bits: UInt64 = 0
        for byte in 0..<byteCount {
          bits |= UInt64(tileMask.base[index * byteCount + byte]) << UInt64(8 * byte)
        }
        mask.write(bits, count: m, row: row + index, column: column)
      }
      return outcome
    }
  }

  private func withTemporaryRows(
    _ rows: Int,
    _ rowByteCount: Int,
    _ body: (MaskRows) throws(SolveError) -> MaskOutcome
  ) throws(SolveError) -> MaskOutcome {
    let base = UnsafeMutablePointer<UInt8>.allocate(capacity: rows * rowByteCount)
    defer { base.deallocate() }
    base.initialize(repeating: 0, count: rows * rowByteCount)
    return try body(MaskRows(base: base, rowByteCount: rowByteCount))
  }

  /// Scratch memory for that many tiles, kept from call to call.
  private func reserve(_ tileCount: Int) -> UnsafeMutableRawPointer {
    if let workspace, tileCount <= workspaceTileCount { return workspace }
    workspace?.deallocate()
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: nmk_workspace_bytes(plan, tileCount),
      alignment: 64
    )
    workspace = memory
    workspaceTileCount = tileCount
    return memory
  }
}

extension MatrixView {
  /// Whether a 64-bit integer has more than 53 bits, which float64 may round.
  fileprivate var hasIntegersBeyondFloat64: Bool {
    var all: UInt64 = 0
    for index in 0..<(rows * columns) {
      all |= base.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self).magnitude
    }
    return all >> 53 != 0
  }
}

extension MaskRows {
  /// The number of entries kept in the leading columns.
  fileprivate func keptCount(rows: Int, columns: Int) -> Int {
    var count = 0
    for row in 0..<rows {
      let bytes = base + row * rowByteCount
      for index in 0..<(columns / 8) { count += bytes[index].nonzeroBitCount }
      if columns % 8 > 0 {
        let rest = bytes[columns / 8] & (1 << UInt8(columns % 8) - 1)
        count += rest.nonzeroBitCount
      }
    }
    return count
  }
}
