// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// What the inference protocol calls a model: a mask of one structure, or a sparse gradient.
enum InferenceModel: String, CaseIterable, Sendable {
  case transposableMask = "transposable_mask"
  case rowMask = "row_mask"
  case columnMask = "column_mask"
  case unbiasedGradient = "unbiased_gradient"

  /// The only version that a model has.
  static let version = "1"

  /// A tensor that a model takes or returns; -1 stands for an extent that is free.
  struct Port: Sendable {
    let name: String
    let datatype: String
    let shape: [Int]
  }

  /// The one tensor that the model takes.
  ///
  /// The protocol has room for one datatype only; any of `InferenceDatatype` is taken.
  var input: Port {
    Port(
      name: self == .unbiasedGradient ? "gradients" : "weights",
      datatype: "FP32",
      shape: [-1, -1]
    )
  }

  /// The tensors that the model returns, where a request does not choose among them.
  var outputs: [Port] {
    let mask = Port(name: "mask", datatype: "BOOL", shape: [-1, -1])
    switch self {
    case .transposableMask, .rowMask, .columnMask:
      return [
        mask, Port(name: "kept_magnitude", datatype: "FP64", shape: [1]),
        Port(name: "total_magnitude", datatype: "FP64", shape: [1]),
      ]
    case .unbiasedGradient:
      return [
        Port(name: "values", datatype: "FP32", shape: [-1, -1]), mask,
        Port(name: "variance", datatype: "FP64", shape: [1]),
      ]
    }
  }

  /// The structure of the mask; nil for a gradient.
  var structure: Structure? {
    switch self {
    case .transposableMask: .transposable
    case .rowMask: .row
    case .columnMask: .column
    case .unbiasedGradient: nil
    }
  }

  /// The names of the request's parameters.
  var parameterNames: Set<String> {
    switch self {
    case .transposableMask: ["n", "m", "constraint", "method", "remainder", "timeout_ms"]
    case .rowMask, .columnMask: ["n", "m", "constraint", "remainder", "timeout_ms"]
    case .unbiasedGradient: ["n", "m", "axis", "method", "seed", "tensor", "sparsity"]
    }
  }

  /// The model and version of a path.
  ///
  /// - Throws: 404 where there is no such model, or no such version of it.
  static func named(_ name: String, version: String) throws(Problem) -> InferenceModel {
    guard let model = InferenceModel(rawValue: name) else {
      let names = allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem(.notFound, "There is no model '\(name)'; there are: \(names).")
    }
    guard version.isEmpty || version == Self.version else {
      throw Problem(
        .notFound,
        "The model '\(name)' has no version '\(version)'; it has: \(Self.version)."
      )
    }
    return model
  }

  /// Begins a run for one request.
  ///
  /// - Throws: what the parameters are at fault of.
  func begin(
    _ parameters: ParameterSet,
    _ context: RequestContext
  ) throws(Problem) -> any InferenceRun {
    guard let structure else {
      return GradientRun(try GradientParameters(parameters), context)
    }
    var all = parameters
    all.set("structure", structure.rawValue)
    return MaskRun(try MaskParameters(all), context)
  }
}
