// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import MaskAPI

@main
struct NMMask: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nmmask",
    abstract: "N:M sparsity masks, with a proof of how good they are.",
    version: Engine.version,
    subcommands: [Serve.self, Solve.self, Diversity.self, Bench.self]
  )
}
