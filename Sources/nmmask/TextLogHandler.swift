// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging

/// Writes each log event as a line of text to standard error.
///
/// By hand, because the handler of swift-log waits where standard error cannot be written.
struct TextLogHandler: LogHandler {
  let label: String
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  private static let timeFormat = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  init(label: String) { self.label = label }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadata.merging(event.metadata ?? [:]) { $1 }
      .sorted { $0.key < $1.key }
      .map { " \($0.key)=\($0.value)" }
    let lost = StandardError.lostLines
    if lost > 0 { fields.append(" lost_lines=\(lost)") }
    let time = Date.now.formatted(Self.timeFormat)
    let line = "\(time) \(event.level) \(label): \(event.message)\(fields.joined())"
    StandardError.write(line: Array(Self.visible(line).utf8))
  }

  /// The text with control characters and line breaks spelled out.
  ///
  /// A path or a field of a request could else end a line of the log and begin one of its own, or
  /// speak to the terminal that shows it.
  private static func visible(_ text: String) -> String {
    func isHidden(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: true
      default: false
      }
    }
    guard text.unicodeScalars.contains(where: isHidden) else { return text }
    return text.unicodeScalars.reduce(into: "") { result, scalar in
      result += isHidden(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
  }
}
