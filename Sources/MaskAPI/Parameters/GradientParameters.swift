// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity

/// What a request for a sparse gradient says beside the gradients.
struct GradientParameters: Sendable {
  /// How the gradients are made sparse.
  enum Plan: Sendable {
    /// n of each group of m.
    case groups(GradientEstimator)
    /// Unstructured, to a share of zeros.
    case threshold(sparsity: Double)
  }

  let plan: Plan
  let method: GradientMethod
  let seed: UInt64
  let tensorKey: UInt64
  /// Whether the reply lists each entry's probability to be kept.
  let wantsProbabilities: Bool

  static let names: Set<String> = [
    "n", "m", "axis", "method", "seed", "tensor", "probabilities", "sparsity",
  ]

  /// Reads and checks the parameters; draws a seed where none is given.
  init(_ parameters: ParameterSet) throws(Problem) {
    method = try parameters.choice("method", GradientMethod.self) ?? .minimumVariance
    seed = try parameters.unsignedInteger("seed") ?? .random(in: .min ... .max)
    tensorKey = try parameters.string("tensor").map { GradientEstimator.tensorKey(name: $0) } ?? 0
    wantsProbabilities = try parameters.boolean("probabilities") ?? false
    let foreign = method == .stochasticThreshold ? ["n", "m", "axis"] : ["sparsity"]
    for name in foreign where parameters.contains(name) {
      throw Problem(
        .unprocessableContent,
        "'\(name)' means nothing to the method '\(method.rawValue)'.",
        pointer: "/\(name)"
      )
    }
    if method == .stochasticThreshold {
      guard let sparsity = try parameters.number("sparsity") else {
        throw parameters.missing("sparsity")
      }
      guard sparsity >= 0, sparsity < 1 else {
        throw Problem(GradientError.sparsityOutOfRange(sparsity))
      }
      plan = .threshold(sparsity: sparsity)
    } else {
      plan = .groups(try Self.estimator(parameters, method, seed, tensorKey))
    }
  }

  private static func estimator(
    _ parameters: ParameterSet,
    _ method: GradientMethod,
    _ seed: UInt64,
    _ tensorKey: UInt64
  ) throws(Problem) -> GradientEstimator {
    let n = try parameters.requiredInteger("n")
    let m = try parameters.requiredInteger("m")
    let axis = try parameters.choice("axis", GradientAxis.self) ?? .row
    let pattern: Pattern
    do throws(PatternError) {
      pattern = try Pattern(n: n, m: m)
    } catch {
      throw Problem(error)
    }
    do throws(GradientError) {
      return try GradientEstimator(
        pattern: pattern,
        axis: axis,
        method: method,
        seed: seed,
        tensorKey: tensorKey
      )
    } catch {
      throw Problem(error)
    }
  }
}
