// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Logging
import TensorIO

/// Writes each log event as one JSON object on a line of standard error.
struct JSONLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  private static let timeFormat = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("time", Date.now.formatted(Self.timeFormat))
    writer.member("level", event.level.rawValue)
    writer.member("message", "\(event.message)")
    let fields = metadata.merging(event.metadata ?? [:]) { $1 }
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
      writer.member(name, "\(value)")
    }
    let lost = StandardError.lostLines
    if lost > 0 { writer.member("lost_lines", lost) }
    writer.endObject()
    StandardError.write(line: writer.bytes)
  }
}
