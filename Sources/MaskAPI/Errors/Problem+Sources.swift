// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

// The one place where the errors of the modules below turn into what a client reads.

extension Problem {
  init(_ error: PatternError) {
    switch error {
    case .groupSizeTooSmall(let m):
      self.init(.unprocessableContent, "'m' must be at least 1, not \(m).", pointer: "/m")
    case .groupSizeTooLarge(let m, let structure):
      let limit = Pattern.maximumGroupSize(for: structure)
      self.init(
        .unprocessableContent,
        "'m' must be at most \(limit) for the structure '\(structure.rawValue)', not \(m).",
        pointer: "/m"
      )
    case .keptCountTooSmall(let n):
      self.init(
        .unprocessableContent,
        "'n' is the number kept in each group and must be at least 1, not \(n).",
        pointer: "/n"
      )
    case .keptCountTooLarge(let n, let m):
      self.init(
        .unprocessableContent,
        "'n' is the number kept in each group of m and must be at most m = \(m), not \(n).",
        pointer: "/n"
      )
    }
  }

  init(_ error: SpecificationError) {
    switch error {
    case .pattern(let error): self.init(error)
    case .methodNeedsTransposable(let method):
      self.init(
        .unprocessableContent,
        "'method' must be 'exact' unless 'structure' is 'transposable'; "
          + "'\(method.rawValue)' is a method for transposable masks.",
        pointer: "/method"
      )
    case .indivisible(let side, let length, let m):
      self.init(
        .unprocessableContent,
        "The matrix has \(length) \(side.rawValue), which m = \(m) does not divide. "
          + "With remainder 'dense' the entries outside whole tiles or groups stay kept.",
        pointer: "/weights"
      )
    }
  }

  init(_ error: DiversityError) {
    switch error {
    case .negativeSide(let side):
      self.init(
        .unprocessableContent,
        "'rows' and 'columns' must not be negative, as \(side) is.",
        pointer: "/rows"
      )
    case .tooManyEntries(let rows, let columns):
      self.init(
        .unprocessableContent,
        "A matrix of \(rows) x \(columns) has more entries than 63 bits can count."
      )
    }
  }

  /// - Parameter field: the name of the matrix in the request.
  init(_ error: SolveError, field: String) {
    switch error {
    case .notFinite(let row, let column):
      self.init(
        .unprocessableContent,
        "'\(field)' has an entry that is not finite, at row \(row), column \(column).",
        pointer: "/\(field)/\(row)/\(column)"
      )
    case .sumOverflows:
      self.init(
        .unprocessableContent,
        "The magnitudes of '\(field)' are so large that their sum is no float64.",
        pointer: "/\(field)"
      )
    case .solverFailed(let detail):
      self.init(.internalServerError, "The solver failed: \(detail).")
    }
  }

  /// - Parameter field: the name of the matrix in the request.
  init(_ failure: MaskJob.Failure, field: String) {
    switch failure {
    case .solve(let error):
      self.init(error, field: field)
    case .cancelled:
      self.init(.requestTimeout, "The client closed the connection.")
    case .timedOut(let limit):
      self.init(
        .gatewayTimeout,
        "The mask was not found within the \(limit.milliseconds) ms that solving may take."
      )
    }
  }

  init(_ error: GradientError) {
    switch error {
    case .keptCountTooLargeForSequential(let n):
      self.init(
        .unprocessableContent,
        "The method 'sequential' draws at most two entries: 'n' must be 1 or 2, not \(n).",
        pointer: "/n"
      )
    case .groupSizeTooLarge(let m):
      self.init(.groupSizeTooLarge(m: m, structure: .row))
    case .thresholdMissing:
      self.init(
        .unprocessableContent,
        "The method 'stochastic_threshold' needs 'sparsity'.",
        pointer: "/sparsity"
      )
    case .thresholdTooLarge:
      self.init(
        .unprocessableContent,
        "The threshold for this 'sparsity' is too large for float32.",
        pointer: "/sparsity"
      )
    case .sparsityOutOfRange(let sparsity):
      self.init(
        .unprocessableContent,
        "'sparsity' must be at least 0 and below 1, not \(sparsity).",
        pointer: "/sparsity"
      )
    case .notDivisible(let axis, let length, let m):
      let side = axis == .row ? Side.columns : Side.rows
      self.init(
        .unprocessableContent,
        "The matrix has \(length) \(side.rawValue), which m = \(m) does not divide.",
        pointer: "/gradients"
      )
    case .tooManyGroups:
      self.init(
        .unprocessableContent,
        "The matrix has more groups than the random stream tells apart.",
        pointer: "/gradients"
      )
    case .notFinite(let row, let column):
      self.init(
        .unprocessableContent,
        "'gradients' has an entry that is not finite, at row \(row), column \(column).",
        pointer: "/gradients/\(row)/\(column)"
      )
    case .overflow(let row, let column):
      self.init(
        .unprocessableContent,
        "The estimate of the entry at row \(row), column \(column) is too large for float32, "
          + "in which values are returned.",
        pointer: "/gradients/\(row)/\(column)"
      )
    }
  }

  init(_ error: ContentError) {
    let status: HTTPResponse.Status =
      switch error.kind {
      case .syntax, .value: .badRequest
      case .unsupported: .unsupportedMediaType
      case .limit: .contentTooLarge
      }
    self.init(status, error.message)
  }

  init(_ error: JSONError) {
    self.init(error.kind == .limit ? .contentTooLarge : .badRequest, error.message)
  }

  init(_ error: TensorError, field: String) {
    let status: HTTPResponse.Status =
      switch error.kind {
      case .syntax: .badRequest
      case .value: .unprocessableContent
      case .unsupported: .unprocessableContent
      case .limit: .contentTooLarge
      }
    let path = (error.path ?? []).map { "/\($0)" }.joined()
    self.init(status, error.message, pointer: "/\(field)" + path)
  }

  /// Runs `body` and words what it throws.
  static func rethrow<Result>(
    _ body: () throws(SpecificationError) -> Result
  ) throws(Problem) -> Result {
    do { return try body() } catch { throw Problem(error) }
  }
}
