// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// What was done with each tensor of a model, and with all of them together.
struct ModelReport {
  let plans: [TensorPlan]
  /// The masks, in the order of the plans that have one.
  let outcomes: [TensorOutcome]
  let parameters: ModelParameters
  let diversities: DiversityCache

  /// How masks are written.
  var encoding: MaskEncoding { parameters.mask.encoding ?? .array }

  /// Whether every tensor has a mask.
  var isComplete: Bool { plans.count == outcomes.count }

  /// The time that solvers spent.
  var busy: Duration { outcomes.reduce(.zero) { $0 + $1.busy } }

  /// Whether each mask is proved to be the best.
  var isOptimal: Bool {
    outcomes.allSatisfy { outcome in
      guard let gap = outcome.sums.gap else { return false }
      return gap <= Certificate.tolerance * (outcome.sums.keptMagnitude + gap)
    }
  }

  /// The report as a JSON object.
  ///
  /// - Parameter writeMasks: writes a member with the masks.
  func json(writeMasks: ((inout JSONWriter) -> Void)? = nil) -> [UInt8] {
    let specification = parameters.mask.specification
    var writer = JSONWriter(capacity: 512 * plans.count + 1024)
    writer.beginObject()
    writeMasks?(&writer)
    specification.writeMembers(to: &writer)
    writer.member("complete", isComplete)
    writeTotals(&writer)
    writer.name("tensors")
    writer.beginArray()
    var next = outcomes.makeIterator()
    for plan in plans {
      switch plan.decision {
      case .skip(let reason): write(&writer, plan, reason)
      case .mask(let stack, let layout):
        if let outcome = next.next() { write(&writer, outcome, stack, layout) }
      }
    }
    writer.endArray()
    writer.member("engine", Engine.name)
    writer.endObject()
    return writer.bytes
  }

  // MARK: Tensors

  private func describe(_ writer: inout JSONWriter, _ plan: TensorPlan, _ status: String) {
    writer.beginObject()
    writer.member("name", plan.name)
    writer.member("status", status)
    writer.member("dtype", plan.typeName)
    writer.member("shape", plan.shape)
  }

  private func write(
    _ writer: inout JSONWriter,
    _ plan: TensorPlan,
    _ reason: TensorPlan.Reason
  ) {
    describe(&writer, plan, "skipped")
    writer.member("reason", reason.name)
    writer.member("detail", reason.text)
    writer.endObject()
  }

  private func write(
    _ writer: inout JSONWriter,
    _ outcome: TensorOutcome,
    _ stack: MatrixStack,
    _ layout: MaskLayout
  ) {
    describe(&writer, outcome.plan, "masked")
    writer.member("pattern", layout.specification.pattern.description)
    writer.name("matrices")
    writer.beginObject()
    writer.member("count", stack.count)
    writer.member("rows", stack.rows)
    writer.member("columns", stack.columns)
    if !stack.kernel.isEmpty {
      writer.member("groups", stack.groups)
      writer.member("kernel", stack.kernel)
      writer.member("layout", "one out x in matrix for each kernel position of each group")
    }
    writer.endObject()
    writeSums(&writer, outcome.sums, entries: outcome.plan.count)
    if let diversity = diversities.diversity(of: layout) {
      let log2 = diversity.count.log2 * Double(stack.count)
      writer.name("diversity")
      writer.beginObject()
      writer.member("log2", log2)
      writer.member("bits_per_weight", diversity.count.bitsPerWeight)
      writer.member("exact", diversity.isExact)
      writer.endObject()
    } else {
      writer.name("diversity")
      writer.null()
    }
    if parameters.tellsTimes {
      writer.member("solve_ms", outcome.busy.milliseconds)
    }
    writer.endObject()
  }

  // MARK: Sums

  private func writeTotals(_ writer: inout JSONWriter) {
    var sums = MaskOutcome()
    for outcome in outcomes { sums += outcome.sums }
    let masked = outcomes.reduce(0) { $0 + $1.plan.count }
    let all = plans.reduce(0) { $0 + $1.count }
    writer.name("totals")
    writer.beginObject()
    writer.member("tensors", plans.count)
    writer.member("masked", outcomes.count)
    writer.member("skipped", plans.count - outcomes.count)
    writer.member("elements", all)
    writer.member("masked_elements", masked)
    writeSums(&writer, sums, entries: masked)
    writer.endObject()
  }

  private func writeSums(_ writer: inout JSONWriter, _ sums: MaskOutcome, entries: Int) {
    writer.member("kept", sums.kept)
    writer.member("density", entries > 0 ? Double(sums.kept) / Double(entries) : nil)
    writer.name("score")
    writer.beginObject()
    writer.member("kept_magnitude", sums.keptMagnitude)
    writer.member("total_magnitude", sums.totalMagnitude)
    writer.member(
      "retained",
      sums.totalMagnitude > 0 ? sums.keptMagnitude / sums.totalMagnitude : 1
    )
    writer.endObject()
    writer.name("certificate")
    guard let gap = sums.gap else { return writer.null() }
    let bound = sums.keptMagnitude + gap
    let relativeGap = bound > 0 ? gap / bound : 0
    writer.beginObject()
    writer.member("upper_bound", bound)
    writer.member("relative_gap", relativeGap)
    writer.member("optimal", relativeGap <= Certificate.tolerance)
    writer.endObject()
  }
}
