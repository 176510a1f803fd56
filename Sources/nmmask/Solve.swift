// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import MaskAPI
import Sparsity

/// `nmmask solve`: the masks of a matrix or a model in a file.
struct Solve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the masks of a matrix (.npy) or of a whole model (.safetensors).",
    discussion: """
      What a file is, its first bytes tell. Outputs take their names once all of them are whole. \
      Of FILE, --out, --apply and --report any may be -, for standard input and output; the summary \
      then goes to standard error.
      """
  )

  @Argument(
    help: "A .npy or .safetensors file of weights; - for standard input.",
    completion: .file(extensions: ["npy", "safetensors"])
  )
  var file: String

  @OptionGroup(title: "The masks")
  var pattern: PatternOptions

  @OptionGroup(title: "Whole models")
  var model: ModelOptions

  @Option(
    name: .customLong("out"),
    help: "Where to write the masks: of a matrix .npy of booleans, of a model .safetensors.",
    completion: .file(extensions: ["npy", "safetensors"])
  )
  var output: String?

  @Option(
    help: "Where to write the pruned weights: the same file with zeros for what is not kept.",
    completion: .file(extensions: ["npy", "safetensors"])
  )
  var apply: String?

  @Option(help: "Where to write the report, as JSON.", completion: .file(extensions: ["json"]))
  var report: String?

  @Option(help: "The number of solver threads. (default: one per core)")
  var threads: Int?

  @Flag(help: "Print the report as JSON.")
  var json = false

  @Flag(name: .shortAndLong, help: "Show no progress and no summary.")
  var quiet = false

  func run() throws {
    // A reader that goes away is told as an output that cannot be written.
    signal(SIGPIPE, SIG_IGN)
    removeTemporariesOnSignals()
    let options = try solveOptions()
    let input = try InputFile(path: file)
    var outputs: [OutputFile] = []
    func place(_ path: String?) throws -> OutputFile? {
      guard let path else { return nil }
      let output = try OutputFile(path: path, input: input, others: outputs)
      outputs.append(output)
      return output
    }
    let (masks, pruned, report) = (try place(output), try place(apply), try place(report))
    if [masks, pruned].contains(where: { $0?.isStandardOutput == true }), isatty(STDOUT_FILENO) == 1
    {
      throw ValidationError("A terminal cannot show tensors; send standard output elsewhere.")
    }
    if pruned != nil { try input.keepForRereading() }

    let progress = quiet ? nil : ProgressView()
    defer { progress?.clear() }
    let solved = try FileSolver(options, observer: progress).solve(input)
    if let masks { try solved.writeMasks(to: masks) }
    if let pruned { try solved.writePruned(input, to: pruned) }
    if let report { try report.write(solved.report + [UInt8(ascii: "\n")]) }
    for output in outputs { try output.commit() }
    progress?.clear()
    try summarise(solved, isOutputTaken: outputs.contains(where: \.isStandardOutput))
  }

  private func solveOptions() throws -> SolveOptions {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let threads = try setting(threads, "threads", default: cores)
    guard threads > 0 else { throw ValidationError("--threads must be at least 1.") }
    var options = SolveOptions(n: pattern.n, m: pattern.m, threads: threads)
    pattern.apply(to: &options)
    model.apply(to: &options)
    return options
  }

  /// Writes the report, where it does not get among data.
  private func summarise(_ solved: SolvedFile, isOutputTaken: Bool) throws {
    guard json || !quiet else { return }
    let text = json ? String(decoding: solved.report, as: UTF8.self) : aligned(solved.table)
    guard isOutputTaken else { return try printLine(text) }
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
  }
}
