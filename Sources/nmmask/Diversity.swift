// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import MaskAPI

/// `nmmask diversity`: how many masks a pattern allows.
struct Diversity: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Count the masks that a pattern allows for a matrix."
  )

  @Option(help: "The number kept in each group.")
  var n: Int

  @Option(help: "The group size.")
  var m: Int

  @Option(help: "The rows of the matrix. (default: m)")
  var rows: Int?

  @Option(help: "The columns of the matrix. (default: m)")
  var columns: Int?

  @Flag(help: "Print the counts as JSON.")
  var json = false

  func run() throws {
    let report = try DiversityReport(rows: rows ?? m, columns: columns ?? m, n: n, m: m)
    try printLine(json ? String(decoding: report.json, as: UTF8.self) : aligned(report.table))
  }
}
