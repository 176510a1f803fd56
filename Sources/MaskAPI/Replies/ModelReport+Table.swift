// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

extension ModelReport {
  /// The totals, as lines of a name and a value.
  var table: [[String]] {
    let specification = parameters.mask.specification
    let pattern = specification.pattern
    var sums = MaskOutcome()
    for outcome in outcomes { sums += outcome.sums }
    let masked = outcomes.reduce(0) { $0 + $1.plan.count }
    var lines = [
      ["tensors", "\(plans.count), of which \(outcomes.count) masked"],
      ["pattern", "\(pattern) (\(pattern.n) kept of each \(pattern.m))"],
      ["structure", specification.structure.rawValue],
      ["constraint", specification.constraint.rawValue],
      ["method", specification.method.rawValue],
      ["weights", "\(plans.reduce(0) { $0 + $1.count }), of which \(masked) masked"],
      ["kept", "\(sums.kept)"],
      ["density", masked > 0 ? "\(Double(sums.kept) / Double(masked))" : "none"],
      ["kept magnitude", "\(sums.keptMagnitude)"],
      ["total magnitude", "\(sums.totalMagnitude)"],
      [
        "retained",
        "\(sums.totalMagnitude > 0 ? sums.keptMagnitude / sums.totalMagnitude : 1)",
      ],
    ]
    if let gap = sums.gap {
      lines.append(["upper bound", "\(sums.keptMagnitude + gap)"])
      lines.append(["optimal", isOptimal ? "yes, each" : "not proved of each"])
    } else {
      lines.append(["certificate", "none"])
    }
    for (text, count) in skips {
      lines.append(["skipped", "\(count): \(text)"])
    }
    return lines
  }

  /// The reasons for which tensors have no mask, in the order of their first, and of how many.
  private var skips: [(text: String, count: Int)] {
    var skips: [(text: String, count: Int)] = []
    for plan in plans {
      guard case .skip(let reason) = plan.decision else { continue }
      if let index = skips.firstIndex(where: { $0.text == reason.text }) {
        skips[index].count += 1
      } else {
        skips.append((reason.text, 1))
      }
    }
    return skips
  }
}
