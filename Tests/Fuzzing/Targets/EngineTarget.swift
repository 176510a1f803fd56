// SPDX-License-Identifier: GPL-3.0-or-later

@testable import Sparsity

/// The engine: small matrices of any type, pattern, structure, constraint and method.
///
/// - A mask is valid, and its score is the sum of what it keeps.
/// - An exact mask has a certificate without a gap, and up to m = 4, and for groups of any size, the
///   score that trying all masks finds.
/// - Every instruction set, a solver used before, and the same values as F64 give the same mask.
/// - Other methods score no more than the optimum, and at least what they promise.
/// - The first entry that is not finite is the one that is named.
func fuzzEngine(_ input: UnsafeRawBufferPointer) {
  var choices = Choices(of: input)
  guard let sample = EngineCase(input, &choices) else { return }
  let total = sample.magnitudes.reduce(0, +)
  let result = solve(sample, sample.specification, .widest)
  let label = "\(sample.dataType) \(sample.specification)"
  guard case .success(let found) = result else {
    checkFailure(result, sample, total)
    return
  }
  require(sample.magnitudes.allSatisfy(\.isFinite), "what is not finite is refused: \(label)")
  checkMask(found, sample, total, label)
  if sample.specification.method == .exact {
    checkExact(found, sample, total, label)
  } else {
    checkApproximation(found, sample, total, label)
  }
  if choices.below(16) == 0 {
    let fresh = solve(sample, sample.specification, .widest, isFresh: true)
    require(fresh == result, "a solver used before gives the same mask: \(label)")
  }
}

/// A mask and its sums.
private struct Found: Equatable {
  var mask: Mask
  var outcome: MaskOutcome
}

private struct SolverKey: Hashable {
  let specification: MaskSpecification
  let instructionSet: InstructionSet
}

/// Solvers that were made before: making one takes longer than solving a small matrix.
private nonisolated(unsafe) var solvers: [SolverKey: BandSolver] = [:]

private func solve(
  _ sample: EngineCase,
  _ specification: MaskSpecification,
  _ instructionSet: InstructionSet,
  isFresh: Bool = false
) -> Result<Found, SolveError> {
  sample.elements.withUnsafeBytes {
    solve($0, sample.dataType, sample.layout, specification, instructionSet, isFresh)
  }
}

private func solve(
  _ elements: UnsafeRawBufferPointer,
  _ dataType: DataType,
  _ shape: MaskLayout,
  _ specification: MaskSpecification,
  _ instructionSet: InstructionSet,
  _ isFresh: Bool
) -> Result<Found, SolveError> {
  guard let layout = try? MaskLayout(specification, rows: shape.rows, columns: shape.columns)
  else { refute("a layout of another method is one", #line) }
  require(layout.bandCount == 1, "a small matrix is one band")
  let key = SolverKey(specification: specification, instructionSet: instructionSet)
  let solver: BandSolver
  if !isFresh, let used = solvers[key] {
    used.turn(to: layout)
    solver = used
  } else {
    solver = BandSolver(layout: layout, instructionSet: instructionSet)
    if solvers.count > 400 { solvers.removeAll() }
    solvers[key] = solver
  }
  var mask = Mask(rows: layout.rows, columns: layout.columns)
  let rowByteCount = mask.rowByteCount
  let result = mask.bytes.withUnsafeMutableBufferPointer { bytes in
    Result { () throws(SolveError) in
      guard let base = bytes.baseAddress else { return MaskOutcome() }
      return try solver.solve(
        0,
        MatrixView(elements, dataType: dataType, rows: layout.rows, columns: layout.columns),
        into: MaskRows(base: base, rowByteCount: rowByteCount)
      )
    }
  }
  return result.map { Found(mask: mask, outcome: $0) }
}

private func checkFailure(
  _ result: Result<Found, SolveError>,
  _ sample: EngineCase,
  _ total: Double
) {
  switch result {
  case .failure(.notFinite(let row, let column)):
    let first = sample.magnitudes.firstIndex { !$0.isFinite }
    require(first == row * sample.layout.columns + column, "the first that is not finite is named")
  case .failure(.sumOverflows): require(!total.isFinite, "a sum that fits is taken")
  case .failure(let error): refute("\(error)", #line)
  case .success: break
  }
}

private func checkMask(
  _ found: Found,
  _ sample: EngineCase,
  _ total: Double,
  _ label: @autoclosure () -> String
) {
  require(sample.layout.validity(of: found.mask).isValid, "a mask is valid: \(label())")
  require(found.mask.keptCount == found.outcome.kept, "what is kept is counted: \(label())")
  var score = 0.0
  for row in 0..<sample.layout.rows {
    for column in 0..<sample.layout.columns {
      let isOutside = row >= sample.layout.groupedRows || column >= sample.layout.groupedColumns
      let isKept = found.mask[row, column]
      require(isKept || !isOutside, "the remainder is kept: \(label())")
      if isKept { score += sample.magnitudes[row * sample.layout.columns + column] }
    }
  }
  // A sum may overflow in one order and not in another.
  guard total < 0x1p1023 else { return }
  require(close(score, found.outcome.keptMagnitude, total), "the score is the mask's: \(label())")
  require(close(found.outcome.totalMagnitude, total, total), "the total is the sum: \(label())")
}

private func checkExact(
  _ found: Found,
  _ sample: EngineCase,
  _ total: Double,
  _ label: @autoclosure () -> String
) {
  for set in InstructionSet.allCases where set.isAvailable && set != .widest {
    let other = solve(sample, sample.specification, set)
    require(
      other == .success(found),
      "\(set) gives the same as \(found.outcome): \(label()) \(other.map(\.outcome))"
    )
  }
  // Integers beyond 2^53 are ordered as they are, which F64 cannot tell.
  if sample.dataType != .int64 {
    let same = sample.magnitudes.withUnsafeBytes {
      solve($0, .float64, sample.layout, sample.specification, .widest, false)
    }
    require(same == .success(found), "the same values as F64 give the same mask: \(label())")
  }
  guard total < 0x1p1023 else { return }
  guard let gap = found.outcome.gap else { refute("an exact mask has a proof", #line) }
  require(gap >= 0 && gap <= 1e-12 * total, "the proof has no gap: \(label())")
  if let best = sample.bestScore() {
    require(close(best, found.outcome.keptMagnitude, total), "no mask scores more: \(label())")
  }
}

private func checkApproximation(
  _ found: Found,
  _ sample: EngineCase,
  _ total: Double,
  _ label: @autoclosure () -> String
) {
  guard total < 0x1p1023,
    let exactly = try? MaskSpecification(
      pattern: sample.specification.pattern,
      structure: sample.specification.structure,
      constraint: sample.specification.constraint,
      method: .exact,
      remainder: .dense
    ),
    case .success(let exact) = solve(sample, exactly, .widest)
  else { return }
  let (score, best) = (found.outcome.keptMagnitude, exact.outcome.keptMagnitude)
  require(score <= best + 1e-12 * total, "no method scores more than the optimum: \(label())")
  switch sample.specification.method {
  case .exact: break
  case .minimumCostFlow:
    let pattern = sample.specification.pattern
    let largest = sample.magnitudes.max() ?? 0
    let tiles = sample.layout.stripCount * (sample.layout.groupedColumns / pattern.m)
    // Each entry is rounded once where it is kept and once where it is not.
    let loss = Double(tiles * pattern.m * pattern.n) * largest * 0x1p-23
    require(best - score <= loss + 1e-12 * total, "rounding costs little: \(label())")
    guard let gap = found.outcome.gap else { refute("a flow has a proof", #line) }
    require(score + gap >= best - 1e-12 * total, "the bound holds: \(label())")
  case .greedy where sample.specification.constraint == .atMost:
    require(2 * score >= best - 1e-12 * total, "greedy keeps half: \(label())")
  case .twoApproximation where sample.specification.constraint == .atMost:
    require(
      total - score <= 2 * (total - best) + 1e-9 * total,
      "at most twice is pruned: \(label())"
    )
  case .greedy, .twoApproximation: break
  }
}

private func close(_ left: Double, _ right: Double, _ scale: Double) -> Bool {
  abs(left - right) <= 1e-12 * scale
}
