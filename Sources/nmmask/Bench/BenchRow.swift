// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import SyntheticWeights
import TensorIO

/// The figures of one benchmark.
struct BenchRow {
  var pattern = ""
  var structure = ""
  var constraint = ""
  var method = ""
  var instructionSet = ""
  /// Nil where the method proves nothing.
  var worstRelativeGap: Double?
  var allValid = false
  let input: BenchInput
  /// Million weights a second: the median, the slowest and the fastest run.
  let rates: (median: Double, least: Double, most: Double)

  /// - Parameter durations: of all runs; the first one only warms up.
  init(input: BenchInput, durations: [Duration]) {
    self.input = input
    let weights = Double(input.size * input.size)
    let rates = durations.dropFirst().map { duration in
      let (seconds, attoseconds) = duration.components
      return weights / (Double(seconds) * 1e6 + Double(attoseconds) * 1e-12)
    }.sorted()
    self.rates = (rates[rates.count / 2], rates[0], rates[rates.count - 1])
  }

  private static let widths = [8, 13, 10, 18, 12, 6, 8, 9, 12, 22, 10]

  static var header: String {
    columns([
      "pattern", "structure", "constraint", "method", "data", "size", "threads", "set",
      "Mweights/s",
      "slowest..fastest", "gap", "valid",
    ])
  }

  var line: String {
    Self.columns([
      pattern, structure, constraint, method, input.kind.rawValue, "\(input.size)",
      "\(input.threads)", instructionSet, rounded(rates.median),
      "\(rounded(rates.least))..\(rounded(rates.most))",
      worstRelativeGap.map { "\($0)" } ?? "none", allValid ? "yes" : "NO",
    ])
  }

  private static func columns(_ cells: [String]) -> String {
    zip(cells, widths + [5]).map { cell, width in
      cell + String(repeating: " ", count: max(0, width - cell.count))
    }.joined(separator: " ")
  }

  private func rounded(_ rate: Double) -> String {
    rate < 100 ? "\((rate * 100).rounded() / 100)" : "\(Int(rate.rounded()))"
  }

  /// All rows as a JSON array.
  static func json(_ rows: [BenchRow]) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginArray()
    for row in rows {
      writer.beginObject()
      writer.member("pattern", row.pattern)
      writer.member("structure", row.structure)
      writer.member("constraint", row.constraint)
      writer.member("method", row.method)
      writer.member("data", row.input.kind.rawValue)
      writer.member("size", row.input.size)
      writer.member("threads", row.input.threads)
      writer.member("instruction_set", row.instructionSet)
      writer.member("mweights_per_second", row.rates.median)
      writer.member("mweights_per_second_slowest", row.rates.least)
      writer.member("mweights_per_second_fastest", row.rates.most)
      writer.member("worst_relative_gap", row.worstRelativeGap)
      writer.member("all_valid", row.allValid)
      writer.endObject()
    }
    writer.endArray()
    return writer.bytes
  }
}
