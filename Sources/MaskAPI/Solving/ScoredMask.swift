// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// The mask of a matrix in memory, by scores of the client's own, or kept off entries that are zero.
struct ScoredMask {
  let solution: Solution
  let additions: MaskAdditions

  /// Finds the mask.
  ///
  /// - Parameter makeJob: makes the job of a matrix of a type.
  /// - Throws: 422 for scores that are none, or where `keep_zeros` leaves a group short.
  init(
    _ weights: FileMatrix,
    _ parameters: ScoreParameters,
    _ context: RequestContext,
    makeJob: (DataType) throws(Problem) -> MaskJob
  ) throws(Problem) {
    try parameters.check(weights)
    if let entry = weights.withView({ $0.firstNotFinite() }) {
      throw Problem(
        SolveError.notFinite(row: entry.row, column: entry.column),
        field: "weights"
      )
    }
    let nonZeros = parameters.keepsZeros ? weights.withView { $0.nonZeros() } : nil
    let hasScores = parameters.scores != nil || parameters.columnScale != nil
    let scores = Self.scores(weights, parameters, nonZeros)
    let job = try makeJob(scores.dataType)
    let result = scores.withView { view in
      Result { () throws(MaskJob.Failure) in try job.solve(view) }
    }
    let field = parameters.columnScale != nil ? "column_scale" : hasScores ? "scores" : "weights"
    var solution = try context.solution(of: job, result, field: field)
    var additions = MaskAdditions()
    if let nonZeros {
      solution = try Self.restrict(solution, scores, nonZeros)
      let short = solution.layout.shortGroups(of: nonZeros)
      additions.zeros = (
        weights.rows * weights.columns - nonZeros.keptCount, short.count, short.first
      )
    }
    let mask = solution.mask
    if hasScores {
      let sums = weights.withView { $0.magnitudes(keptBy: mask) }
      guard sums.total.isFinite else {
        throw Problem(SolveError.sumOverflows, field: "weights")
      }
      additions.magnitudes = .init(kept: sums.kept, total: sums.total)
    }
    if let previous = parameters.previousMask {
      let flips = zip(mask.bytes, previous.bytes).reduce(0) {
        $0 + ($1.0 ^ $1.1).nonzeroBitCount
      }
      additions.flips = (flips, mask.rows * mask.columns)
    }
    if parameters.applies {
      additions.values = (weights.withView { $0.masked(by: mask) }, weights.dataType)
    }
    self.solution = solution
    self.additions = additions
  }

  /// What decides about the mask, zero where an entry may not be kept.
  private static func scores(
    _ weights: FileMatrix,
    _ parameters: ScoreParameters,
    _ nonZeros: Mask?
  ) -> FileMatrix {
    var scores = parameters.scores ?? weights
    if let scale = parameters.columnScale {
      let scaled = weights.withView { $0.magnitudes(scaledBy: scale) }
      scores = FileMatrix(
        bytes: scaled.withUnsafeBytes { Array($0)[...] },
        dataType: .float64,
        rows: weights.rows,
        columns: weights.columns
      )
    }
    guard let nonZeros, parameters.scores != nil else { return scores }
    let bytes = scores.withView { $0.masked(by: nonZeros) }
    return FileMatrix(
      bytes: bytes[...],
      dataType: scores.dataType,
      rows: scores.rows,
      columns: scores.columns
    )
  }

  private static func restrict(
    _ solution: Solution,
    _ scores: FileMatrix,
    _ nonZeros: Mask
  ) throws(Problem) -> Solution {
    let result = scores.withView { view in
      Result { () throws(RestrictionError) in
        try solution.layout.restrict(solution, scores: view, to: nonZeros)
      }
    }
    do throws(RestrictionError) {
      return try result.get()
    } catch {
      let pattern = solution.layout.specification.pattern
      switch error {
      case .solve(let error): throw Problem(error, field: "weights")
      case .short(let group):
        let place = "row \(group.row), column \(group.column)"
        let reason =
          switch group.axis {
          case .rows?:
            "the group of the row at \(place) has \(group.allowed) entries that are not zero"
          case .columns?:
            "the group down the column at \(place) has \(group.allowed) entries that are not zero"
          case nil:
            "the tile at \(place) has no \(pattern) mask among its \(group.allowed) entries that "
              + "are not zero"
          }
        throw Problem(
          .unprocessableContent,
          "With 'keep_zeros', exactly \(pattern.n) of \(pattern.m) cannot be kept: \(reason). "
            + "The constraint 'at_most' takes such groups.",
          pointer: "/weights/\(group.row)/\(group.column)"
        )
      }
    }
  }
}
