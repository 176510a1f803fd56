// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation

/// The value of a setting: its flag, else its environment variable, else its default.
///
/// By hand, because an argument of the parser's knows no environment, and a configuration reader
/// takes a value that it cannot parse for one that is missing.
///
/// - Parameter name: the flag without its dashes; `max-body` has the twin `NMMASK_MAX_BODY`.
/// - Throws: `ValidationError` where the environment has a value of another type.
func setting<Value: ExpressibleByArgument>(
  _ flag: Value?,
  _ name: String,
  default fallback: @autoclosure () -> Value
) throws -> Value {
  if let flag { return flag }
  let variable = "NMMASK_" + name.uppercased().replacing("-", with: "_")
  guard let text = ProcessInfo.processInfo.environment[variable] else { return fallback() }
  guard let value = Value(argument: text) else {
    throw ValidationError("The value '\(text)' of \(variable) is not what --\(name) takes.")
  }
  return value
}

/// A number of bytes: digits, with KiB, MiB or GiB behind them if need be.
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init(_ bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)]
    let unit = units.first { argument.hasSuffix($0.0) }
    let digits = argument.dropLast(unit?.0.count ?? 0)
    guard let number = Int(digits), number > 0 else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (unit?.1 ?? 0))
    guard !overflow else { return nil }
    self.bytes = bytes
  }
}
