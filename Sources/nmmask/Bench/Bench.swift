// SPDX-License-Identifier: GPL-3.0-or-later

public import ArgumentParser
import Foundation
import MaskAPI
public import Sparsity
public import SyntheticWeights
import TensorIO

/// `nmmask bench`: how fast masks are found on this machine.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast masks are found on this machine.",
    discussion: """
      The timed call is the one that the service makes: a float32 matrix in memory goes in, the \
      packed mask, its score and its upper bound come out. Every mask and its bound are checked \
      again outside the timing. Each option may be given several times; all combinations are \
      measured. Kinds of data: \(WeightKind.allCases.map(\.rawValue).joined(separator: ", ")).
      """
  )

  @Option(help: "A pattern, as n:m. (default: 2:4, 4:8, 8:16 and 16:32)")
  var pattern: [PatternArgument] = []

  @Option(help: "transposable, row or column. (default: transposable)")
  var structure: [Structure] = []

  @Option(help: "exactly or at_most. (default: exactly)")
  var constraint: [Sparsity.Constraint] = []

  @Option(help: "exact, min_cost_flow, greedy or two_approximation. (default: exact)")
  var method: [MaskMethod] = []

  @Option(help: "A gradient method, measured in the place of masks.")
  var gradient: [GradientMethod] = []

  @Option(help: "A kind of data. (default: normal)")
  var data: [WeightKind] = []

  @Option(help: "The side of a square matrix, rounded down to a multiple of m. (default: 2048)")
  var size: [Int] = []

  @Option(help: "The number of threads. (default: 1)")
  var threads: [Int] = []

  @Option(help: "An instruction set of this processor. (default: the widest)")
  var instructionSet: [InstructionSet] = []

  @Option(help: "The timed runs of each, of which the median counts.")
  var repetitions = 7

  @Flag(help: "Print the figures as JSON.")
  var json = false

  func run() throws {
    guard repetitions > 0, (threads + size).allSatisfy({ $0 > 0 }) else {
      throw ValidationError("Sizes, threads and repetitions must be at least 1.")
    }
    var rows: [BenchRow] = []
    for bench in gradient.isEmpty ? try maskBenches() : try gradientBenches() {
      let row = try bench.measure(repetitions: repetitions)
      if !json { try printLine(rows.isEmpty ? BenchRow.header + "\n" + row.line : row.line) }
      rows.append(row)
    }
    if json { try printLine(String(decoding: BenchRow.json(rows), as: UTF8.self)) }
    guard rows.allSatisfy(\.allValid) else {
      throw CommandError(.software, "A mask or its bound did not pass the check.")
    }
  }

  private var patterns: [PatternArgument] {
    pattern.isEmpty
      ? ["2:4", "4:8", "8:16", "16:32"].compactMap { PatternArgument(argument: $0) }
      : pattern
  }

  private func maskBenches() throws -> [any Benchmark] {
    var benches: [any Benchmark] = []
    for pattern in patterns {
      for structure in structure.or(.transposable) {
        for constraint in constraint.or(.exactly) {
          for method in method.or(.exact) {
            let specification = try MaskSpecification(
              pattern: pattern.pattern,
              structure: structure,
              constraint: constraint,
              method: method
            )
            for input in inputs(pattern.pattern.m) {
              for set in instructionSet.or(.widest) {
                benches.append(
                  MaskBenchmark(specification: specification, input: input, instructionSet: set)
                )
              }
            }
          }
        }
      }
    }
    return benches
  }

  private func gradientBenches() throws -> [any Benchmark] {
    var benches: [any Benchmark] = []
    for pattern in patterns {
      for method in gradient {
        let estimator = try GradientEstimator(
          pattern: pattern.pattern,
          axis: .row,
          method: method,
          seed: 7
        )
        for input in inputs(pattern.pattern.m) {
          benches.append(GradientBenchmark(estimator: estimator, input: input))
        }
      }
    }
    return benches
  }

  private func inputs(_ m: Int) -> [BenchInput] {
    data.or(.normal).flatMap { kind in
      size.or(2048).flatMap { size in
        threads.or(1).map { BenchInput(kind: kind, size: max(m, size / m * m), threads: $0) }
      }
    }
  }
}

extension Array {
  fileprivate func or(_ fallback: Element) -> [Element] { isEmpty ? [fallback] : self }
}

/// A pattern on the command line, such as `2:4`.
struct PatternArgument: ExpressibleByArgument {
  let pattern: Pattern

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let n = Int(parts[0]), let m = Int(parts[1]),
      let pattern = try? Pattern(n: n, m: m)
    else { return nil }
    self.pattern = pattern
  }
}

extension WeightKind: ExpressibleByArgument {}

extension InstructionSet: ExpressibleByArgument {
  public init?(argument: String) {
    guard let set = InstructionSet(rawValue: argument), set.isAvailable else { return nil }
    self = set
  }
}
