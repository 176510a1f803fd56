// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// The work on one model: what is decided about each tensor, and what solves them in that order.
///
/// All tensors are decided about before any is solved.
struct ModelRun {
  let parameters: ModelParameters
  let plans: [TensorPlan]
  let solver: ModelSolver
  private let diversities: DiversityCache

  /// Decides about the tensors of a model.
  ///
  /// - Throws: 422 for parameters that do not fit the tensors, and for tensors that have no mask.
  init(
    _ parameters: ModelParameters,
    _ tensors: [(name: String, typeName: String, elementType: ElementType?, shape: [Int])],
    _ context: SolverContext
  ) throws(Problem) {
    try parameters.check(tensors.map(\.name))
    var plans: [TensorPlan] = []
    for tensor in tensors {
      plans.append(
        try TensorPlan(
          name: tensor.name,
          typeName: tensor.typeName,
          elementType: tensor.elementType,
          shape: tensor.shape,
          parameters
        )
      )
    }
    if parameters.isStrict { try Self.checkAllMasked(plans) }
    self.parameters = parameters
    self.plans = plans
    solver = ModelSolver(parameters, context)
    diversities = context.diversities
  }

  /// What has been done, once the solver has finished.
  var report: ModelReport {
    ModelReport(
      plans: plans,
      outcomes: solver.outcomes,
      parameters: parameters,
      diversities: diversities
    )
  }

  /// Refuses a model of which a tensor would be skipped that was not excluded.
  private static func checkAllMasked(_ plans: [TensorPlan]) throws(Problem) {
    var faults: [String] = []
    for plan in plans {
      switch plan.decision {
      case .mask, .skip(.excluded): break
      case .skip(let reason): faults.append("'\(plan.name)': \(reason.text)")
      }
    }
    guard !faults.isEmpty else { return }
    let more = faults.count > 5 ? "; and \(faults.count - 5) more" : ""
    throw Problem(
      .unprocessableContent,
      "With 'strict' no tensor may be skipped, but \(faults.count) would be: "
        + faults.prefix(5).joined(separator: "; ") + more + ".",
      pointer: "/strict"
    )
  }
}
