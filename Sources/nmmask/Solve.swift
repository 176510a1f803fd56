// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import MaskAPI

/// `nmmask solve`: the mask of a matrix in a file.
struct Solve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the mask of a matrix in a .npy file."
  )

  @Argument(help: "A .npy file of a matrix.")
  var file: String

  @Option(help: "The number kept in each group.")
  var n: Int

  @Option(help: "The group size.")
  var m: Int

  @Option(help: "transposable, row or column. (default: transposable)")
  var structure: String?

  @Option(help: "exactly or at_most. (default: exactly)")
  var constraint: String?

  @Option(help: "exact, min_cost_flow, greedy or two_approximation. (default: exact)")
  var method: String?

  @Option(help: "error or dense: what becomes of a side that m does not divide. (default: error)")
  var remainder: String?

  @Option(help: "The number of solver threads. (default: one per core)")
  var threads: Int?

  @Option(name: .customLong("out"), help: "Where to write the mask, as a .npy file of booleans.")
  var output: String?

  @Flag(help: "Print the summary as JSON.")
  var json = false

  func run() throws {
    let threads = try setting(
      threads,
      "threads",
      default: ProcessInfo.processInfo.activeProcessorCount
    )
    guard threads > 0 else { throw ValidationError("--threads must be at least 1.") }
    var options = MaskFileSolver.Options(n: n, m: m, threads: threads)
    options.structure = structure
    options.constraint = constraint
    options.method = method
    options.remainder = remainder
    let reply = try MaskFileSolver(options).solve(path: file)
    if let output { try reply.mask.writeNPY(toPath: output) }
    print(json ? String(decoding: reply.summary, as: UTF8.self) : aligned(reply.table))
  }
}
