// SPDX-License-Identifier: GPL-3.0-or-later

internal import CKernels

/// Keeps the n largest entries of each group along a row or down a column: the vector kernels.
///
/// The same masks as `TopNSolver`, which is their oracle; its page says what they prove. Sums run
/// over the entries of a row in 16 lanes, so they may differ from the oracle's by rounding.
///
/// - Complexity: O(m) for each entry up to m = 16, O(bits of the type) above.
final class TopNKernelSolver: MaskSolver {
  private let pattern: Pattern
  private let axis: Side
  private let table: UnsafePointer<nmk_table>
  private let workspace: UnsafeMutableRawPointer

  /// Makes a solver; nil if the set is not available.
  init?(pattern: Pattern, axis: Side, instructionSet: InstructionSet) {
    guard let table = instructionSet.table else { return nil }
    self.pattern = pattern
    self.axis = axis
    self.table = table
    workspace = .allocate(
      byteCount: nmk_top_n_workspace_bytes(Int32(pattern.m)),
      alignment: 64
    )
  }

  deinit { workspace.deallocate() }

  var looksForNotFinite: Bool { true }

  func solve(_ strip: MatrixView, columns: Int, into mask: MaskRows) -> MaskOutcome {
    solveStrips(strip, height: strip.rows, columns: columns, into: mask)
  }

  func solveStrips(
    _ strips: MatrixView,
    height: Int,
    columns: Int,
    into mask: MaskRows
  ) -> MaskOutcome {
    var strip = nmk_strip(
      base: strips.base,
      row_bytes: strips.rowByteCount,
      strips: strips.rows / height,
      tiles: axis == .rows ? columns / pattern.m : columns,
      dtype: strips.dataType.kernelType,
      mask: mask.base,
      mask_row_bytes: mask.rowByteCount
    )
    var sums = nmk_sums()
    table.pointee.top_n(
      &strip,
      Int32(pattern.n),
      Int32(pattern.m),
      axis == .columns,
      workspace,
      &sums
    )
    var outcome = MaskOutcome()
    outcome.kept = strips.rows * columns / pattern.m * pattern.n
    outcome.keptMagnitude = sums.kept
    outcome.totalMagnitude = sums.total
    return outcome
  }
}
