// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import MaskAPI

/// `nmmask inspect`: what a file holds, and which patterns its zeros make.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the tensors of a file, their zeros, and the patterns they fit.",
    discussion: """
      For each matrix, or stack of matrices, the last three columns name the tightest pattern n:m \
      that it fits along its rows, down its columns, and both (transposable): at most n entries \
      that are not zero in every group of m. Patterns have n and m of powers of two, m up to 32, \
      and n below m.
      """
  )

  @Argument(
    help: "A .npy or .safetensors file, of weights or of masks; - for standard input.",
    completion: .file(extensions: ["npy", "safetensors"])
  )
  var file: String

  @Flag(help: "Print the findings as JSON.")
  var json = false

  func run() throws {
    let report = try FileInspector.inspect(InputFile(path: file))
    try printLine(json ? String(decoding: report.json, as: UTF8.self) : aligned(report.table))
  }
}
