// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Logging
import MicroHTTP
import Sparsity

/// One line for each request that is over.
struct AccessLog: Sendable {
  private let logger: Logger
  /// Asked for once: with each question the logger's handler would be copied.
  private let leastLevel: Logger.Level

  init(logger: Logger) {
    self.logger = logger
    leastLevel = logger.logLevel
  }

  func write(_ completion: RequestCompletion, _ record: RequestRecord?) {
    let status = completion.response?.status.code
    let level: Logger.Level = (status ?? 0) >= 500 ? .warning : .info
    guard level >= leastLevel else { return }
    var fields: Logger.Metadata = [
      "method": "\(completion.method)",
      // Without the query: it is the client's, and may be long.
      "path": "\(completion.request?.path ?? completion.target)",
      "status": status.map { "\($0)" } ?? "none",
      "outcome": "\(completion.outcome)",
      "remote": "\(completion.remoteAddress)",
      "bytes_in": "\(completion.bytesIn)",
      "bytes_out": "\(completion.bytesOut)",
      "total_ms": "\(completion.duration.milliseconds)",
    ]
    if let record {
      fields["id"] = "\(record.id)"
      fields["route"] = "\(record.route)"
      if let parent = record.traceParent { fields["traceparent"] = "\(parent)" }
      if let work = record.work {
        fields["shape"] = "\(work.rows)x\(work.columns)"
        fields["solve_ms"] = "\(work.busy.milliseconds)"
        fields["queue_ms"] = "\(work.waited.milliseconds)"
        if let specification = work.specification {
          fields["pattern"] = "\(specification.pattern)"
          fields["structure"] = "\(specification.structure.rawValue)"
          fields["solver"] = "\(specification.method.rawValue)"
        }
      }
    }
    logger.log(level: level, "request", metadata: fields)
  }
}
