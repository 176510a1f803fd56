// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import MaskAPI
import Sparsity

/// What masks are looked for.
struct PatternOptions: ParsableArguments {
  @Option(help: "The number kept in each group.")
  var n: Int

  @Option(help: "The group size.")
  var m: Int

  @Option(
    help: "Which groups keep n; transposable: both of rows and of columns. (default: transposable)"
  )
  var structure: Structure?

  @Option(help: "Whether a group may keep fewer than n. (default: exactly)")
  var constraint: Sparsity.Constraint?

  @Option(help: "How the mask is found. (default: exact)")
  var method: MaskMethod?

  @Option(
    help: """
      What becomes of a side that m does not divide: an error (in a model the tensor is skipped), or \
      the rest stays kept. (default: error)
      """
  )
  var remainder: Remainder?

  @Option(help: "The milliseconds that a tensor may wait for solvers. (default: no limit)")
  var timeoutMs: Int?

  func apply(to options: inout SolveOptions) {
    options.structure = structure
    options.constraint = constraint
    options.method = method
    options.remainder = remainder
    options.timeoutMilliseconds = timeoutMs
  }
}

/// Which tensors of a model are masked, and how that is told.
struct ModelOptions: ParsableArguments {
  @Option(help: "Masks as BOOL tensors of the weights' shapes, or as bits in U8. (default: array)")
  var maskEncoding: MaskEncoding?

  @Option(help: "Mask only tensors of such names, * and ? being wild; may be given several times.")
  var include: [String] = []

  @Option(help: "Leave out tensors of such names; may be given several times.")
  var exclude: [String] = []

  @Option(
    help: ArgumentHelp(
      "The groups of a convolution; may be given several times.",
      valueName: "name=number"
    )
  )
  var groups: [GroupsArgument] = []

  @Flag(help: "Refuse the model where a tensor would be skipped that is not excluded.")
  var strict = false

  @Flag(help: "Tell in the report how long each tensor took.")
  var timings = false

  func apply(to options: inout SolveOptions) {
    options.encoding = maskEncoding
    options.include = include
    options.exclude = exclude
    options.groups = groups.map { ($0.name, $0.count) }
    options.isStrict = strict
    options.tellsTimes = timings
  }
}
