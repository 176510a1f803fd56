// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity

/// What a request for a sparse gradient says beside the gradients.
struct GradientParameters: Sendable {
  let estimator: GradientEstimator
  /// Whether the reply lists each entry's probability to be kept.
  let wantsProbabilities: Bool

  static let names: Set<String> = [
    "n", "m", "axis", "method", "seed", "tensor", "probabilities",
  ]

  /// Reads and checks the parameters; draws a seed where none is given.
  init(_ parameters: ParameterSet) throws(Problem) {
    let n = try parameters.requiredInteger("n")
    let m = try parameters.requiredInteger("m")
    let axis = try parameters.choice("axis", GradientAxis.self) ?? .row
    let method = try parameters.choice("method", GradientMethod.self) ?? .minimumVariance
    let seed = try parameters.unsignedInteger("seed") ?? .random(in: .min ... .max)
    let tensor = try parameters.string("tensor")
    wantsProbabilities = try parameters.boolean("probabilities") ?? false
    let pattern: Pattern
    do throws(PatternError) {
      pattern = try Pattern(n: n, m: m)
    } catch {
      throw Problem(error)
    }
    do throws(GradientError) {
      estimator = try GradientEstimator(
        pattern: pattern, axis: axis, method: method, seed: seed,
        tensorKey: tensor.map { GradientEstimator.tensorKey(name: $0) } ?? 0)
    } catch {
      throw Problem(error)
    }
  }
}
