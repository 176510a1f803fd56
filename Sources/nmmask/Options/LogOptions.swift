// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Logging

/// How the service logs, to standard error.
struct LogOptions: ParsableArguments {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
  }

  @Option(help: "text or json. (default: text)")
  var logFormat: Format?

  @Option(
    help: "trace, debug, info, notice, warning, error or critical. (default: info)",
    completion: .list(Logger.Level.allCases.map(\.rawValue))
  )
  var logLevel: String?

  /// A logger of the chosen form.
  func makeLogger(_ label: String) throws -> Logger {
    let format = try setting(logFormat, "log-format", default: .text)
    let name = try setting(logLevel, "log-level", default: "info")
    guard let level = Logger.Level(rawValue: name) else {
      throw ValidationError("'\(name)' is no log level.")
    }
    var logger = Logger(label: label) { label in
      switch format {
      case .text: TextLogHandler(label: label)
      case .json: JSONLogHandler()
      }
    }
    logger.logLevel = level
    return logger
  }
}
