// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import MaskAPI
import MicroHTTP

@main
struct NMMask: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nmmask",
    abstract: "N:M sparsity masks, with a proof of how good they are.",
    discussion: """
      EXIT STATUS
        0   done
        64  the command line is wrong
        65  the data are malformed, or cannot be given such a mask
        66  a file cannot be read
        70  a fault of the program
        73  a file cannot be made
        74  a file cannot be written to
        75  time, or an address to listen on, was not to be had; try again
      """,
    version: Engine.version,
    subcommands: [Serve.self, Solve.self, Inspect.self, Diversity.self, Bench.self]
  )

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      end(error)
    }
  }

  /// Ends the program with the status of a fault.
  private static func end(_ error: any Error) -> Never {
    let fault: CommandError
    switch error {
    case let error as CommandError: fault = error
    case ServerError.invalidConfiguration(let reason): fault = CommandError(.usage, reason)
    case let error as ServerError:
      if case .cannotBind = error {
        fault = CommandError(.temporary, "\(error)")
      } else {
        fault = CommandError(.software, "\(error)")
      }
    default:
      // The parser's own errors, and help, which is none; all that it does not know is a failure.
      guard exitCode(for: error) == .failure else { exit(withError: error) }
      fault = CommandError(.software, message(for: error))
    }
    try? FileHandle.standardError.write(contentsOf: Data("Error: \(fault)\n".utf8))
    Foundation.exit(fault.kind.rawValue)
  }
}
