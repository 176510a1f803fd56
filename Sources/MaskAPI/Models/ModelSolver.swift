// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// The mask of one tensor of a model.
struct TensorOutcome: Sendable {
  let plan: TensorPlan
  let sums: MaskOutcome
  /// The mask in the tensor's own order, packed as numpy's `packbits(bitorder="little")`.
  let bits: [UInt8]
  let busy: Duration
}

/// Finds the masks of a model's tensors, one after the other, while they arrive.
///
/// A tensor of one matrix is solved band by band. One of several, a convolution, is held until it is
/// whole, because their entries lie interleaved. All is called on one thread.
final class ModelSolver {
  private let context: SolverContext
  private let parameters: ModelParameters
  private(set) var outcomes: [TensorOutcome] = []
  private var current: Current?
  /// A tensor that is whole, whose last bands may still be with the pool.
  private var pending: (plan: TensorPlan, job: MaskJob)?

  private enum Current {
    case skipped
    case matrix(TensorPlan, MaskJob)
    case stack(TensorPlan, MatrixStack, MaskLayout, [UInt8])
  }

  init(_ parameters: ModelParameters, _ context: SolverContext) {
    self.parameters = parameters
    self.context = context
  }

  /// Begins the next tensor.
  func begin(_ plan: TensorPlan) throws(Problem) {
    guard case .mask(let stack, let layout) = plan.decision,
      case .numeric(let dataType)? = plan.elementType
    else {
      current = .skipped
      return
    }
    // The packed mask until the end, and then the reply.
    let replySize = parameters.mask.encoding == .bits ? plan.count / 4 : plan.count + plan.count / 8
    if stack.count == 1 {
      let job = try context.makeMaskJob(layout, dataType, parameters.mask, replySize: replySize)
      current = .matrix(plan, job)
    } else {
      try checkTime(stack, layout)
      // The tensor beside its matrices.
      let held = 2 * plan.count * dataType.byteCount
      try context.reserve(held + (context.holdsReply ? replySize : plan.count / 8))
      current = .stack(plan, stack, layout, [])
    }
  }

  /// Refuses a convolution whose matrices would together take too long.
  private func checkTime(_ stack: MatrixStack, _ layout: MaskLayout) throws(Problem) {
    let all = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(
        layout.specification,
        rows: stack.rows * stack.count,
        columns: stack.columns
      )
    }
    try SolveEstimate(all, threads: context.pool.threadCount)
      .check(against: context.timeout(parameters.mask))
  }

  /// Takes the next bytes of the tensor.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    switch current {
    case nil, .skipped?: break
    case .matrix(let plan, let job)?:
      do throws(MaskJob.Failure) {
        try job.append(bytes)
      } catch {
        throw problem(error, plan)
      }
    case .stack(let plan, let stack, let layout, var held)?:
      // Taken out while it grows, so that it is not copied.
      current = nil
      held.append(bytes, of: plan.count * (plan.elementType?.byteCount ?? 1))
      current = .stack(plan, stack, layout, held)
    }
  }

  /// Ends the tensor.
  func end() throws(Problem) {
    let ended = current
    current = nil
    switch ended {
    case nil, .skipped?: break
    case .matrix(let plan, let job)?:
      // The workers go on with it while the next tensor arrives.
      try settle()
      pending = (plan, job)
    case .stack(let plan, let stack, let layout, let bytes)?:
      try settle()
      outcomes.append(try solve(plan, stack, layout, bytes))
    }
  }

  /// Waits for the last tensor.
  func finish() throws(Problem) { try settle() }

  func cancel() {
    pending?.job.cancel()
    if case .matrix(_, let job)? = current { job.cancel() }
  }

  private func settle() throws(Problem) {
    guard let (plan, job) = pending else { return }
    pending = nil
    let solution: Solution
    do throws(MaskJob.Failure) {
      solution = try job.finish()
    } catch {
      throw problem(error, plan)
    }
    outcomes.append(
      TensorOutcome(
        plan: plan,
        sums: solution.sums,
        bits: solution.mask.flatBits,
        busy: job.busyTime
      )
    )
  }

  // MARK: Convolutions

  private func solve(
    _ plan: TensorPlan,
    _ stack: MatrixStack,
    _ layout: MaskLayout,
    _ bytes: [UInt8]
  ) throws(Problem) -> TensorOutcome {
    guard case .numeric(let dataType)? = plan.elementType else {
      throw Problem(.internalServerError, "A tensor without numbers was to be masked.")
    }
    let start = ContinuousClock.now
    let results = context.pool.map(stack.count, unless: context.isCancelled()) { index in
      let matrix = bytes.withUnsafeBytes { bytes in
        bytes.baseAddress.map {
          stack.matrix(index, of: $0, elementByteCount: dataType.byteCount)
        } ?? []
      }
      return matrix.withUnsafeBytes { matrix in
        Result { () throws(SolveError) in
          try layout.solve(
            MatrixView(matrix, dataType: dataType, rows: stack.rows, columns: stack.columns)
          )
        }
      }
    }
    guard let results else {
      throw Problem(.requestTimeout, "The client closed the connection.")
    }
    var sums = MaskOutcome()
    var bits = [UInt8](repeating: 0, count: (plan.count + 7) / 8)
    for (index, result) in results.enumerated() {
      do throws(SolveError) {
        let solution = try result.get()
        sums += solution.sums
        for row in 0..<stack.rows {
          for column in 0..<stack.columns where solution.mask[row, column] {
            let offset = stack.offset(matrix: index, row: row, column: column)
            bits[offset / 8] |= 1 << UInt8(offset % 8)
          }
        }
      } catch {
        guard case .notFinite(let row, let column) = error else {
          throw problem(.solve(error), plan)
        }
        let offset = stack.offset(matrix: index, row: row, column: column)
        throw notFinite(plan, TensorIndex.path(of: offset, in: plan.shape))
      }
    }
    return TensorOutcome(
      plan: plan,
      sums: sums,
      bits: bits,
      busy: ContinuousClock.now - start
    )
  }

  // MARK: Problems

  private func problem(_ failure: MaskJob.Failure, _ plan: TensorPlan) -> Problem {
    if case .solve(.notFinite(let row, let column)) = failure {
      let path = TensorIndex.path(of: row * plan.shape[1] + column, in: plan.shape)
      return notFinite(plan, path)
    }
    var problem = Problem(failure, field: plan.name)
    problem.pointer = problem.pointer.map { _ in "/\(plan.name.escapedForPointer)" }
    return problem
  }

  private func notFinite(_ plan: TensorPlan, _ path: [Int]) -> Problem {
    Problem(
      .unprocessableContent,
      "'\(plan.name)' has an entry that is not finite, at \(path).",
      pointer: "/\(plan.name.escapedForPointer)" + path.map { "/\($0)" }.joined()
    )
  }
}

extension Solution {
  /// The sums over the whole matrix.
  fileprivate var sums: MaskOutcome {
    var sums = MaskOutcome()
    sums.kept = kept
    sums.keptMagnitude = keptMagnitude
    sums.totalMagnitude = totalMagnitude
    sums.gap = certificate.map { $0.relativeGap * $0.upperBound }
    return sums
  }
}
