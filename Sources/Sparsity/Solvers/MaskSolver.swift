// SPDX-License-Identifier: GPL-3.0-or-later

/// One way of finding masks, for one specification.
///
/// An instance owns scratch memory and belongs to one thread at a time. What it returns is a
/// function of its arguments alone.
protocol MaskSolver: AnyObject {
  /// Solves the whole tiles or groups of one strip.
  ///
  /// - Parameters:
  ///   - strip: whole rows, as many as a strip has; its entries are finite.
  ///   - columns: how many of its leading columns belong to whole tiles or groups.
  ///   - mask: the strip's rows of the mask, all zero on entry.
  func solve(
    _ strip: MatrixView,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome

  /// Solves several strips of `height` rows each, one below the other.
  func solveStrips(
    _ strips: MatrixView,
    height: Int,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome

  /// Whether entries may be NaN or infinite: the total magnitude is then not finite.
  var looksForNotFinite: Bool { get }
}

extension MaskSolver {
  var looksForNotFinite: Bool { false }

  func solveStrips(
    _ strips: MatrixView,
    height: Int,
    columns: Int,
    into mask: MaskRows
  ) throws(SolveError) -> MaskOutcome {
    var outcome = MaskOutcome()
    for row in stride(from: 0, to: strips.rows, by: height) {
      outcome += try solve(
        strips.rows(row..<(row + height)),
        columns: columns,
        into: mask.advanced(by: row)
      )
    }
    return outcome
  }
}

/// Sums over the entries of a piece of a matrix and its mask.
public struct MaskOutcome: Sendable, Hashable {
  /// The number of entries kept.
  public var kept = 0
  /// The sum of the magnitudes kept: the mask's score.
  public var keptMagnitude = 0.0
  /// The sum of all magnitudes.
  public var totalMagnitude = 0.0
  /// An upper bound on what any other mask could score above this one; nil without a proof.
  public var gap: Double? = 0.0

  /// The outcome of an empty piece.
  public init() {}

  /// Adds the outcome of the piece that follows.
  public static func += (total: inout MaskOutcome, next: MaskOutcome) {
    total.kept += next.kept
    total.keptMagnitude += next.keptMagnitude
    total.totalMagnitude += next.totalMagnitude
    if let gap = total.gap, let nextGap = next.gap {
      total.gap = gap + nextGap
    } else {
      total.gap = nil
    }
  }
}

/// Why a mask was not found.
public enum SolveError: Error, Sendable, Hashable {
  /// The first entry, in row-major order, that is NaN or infinite.
  case notFinite(row: Int, column: Int)
  /// The magnitudes are so large that their sum is no float64.
  case sumOverflows
  /// A solver broke its promise; `detail` says which and how.
  case solverFailed(detail: String)
}
