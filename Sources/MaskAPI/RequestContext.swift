// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// What a route knows beside the request: the service it is part of, and the connection.
struct RequestContext: Sendable {
  let service: MaskService
  let connection: Connection
  let record: RequestRecord
  let path: String
  /// Fields that every answer to this request carries.
  let extraFields: HTTPFields

  /// Answers with a problem.
  func response(_ problem: Problem) -> Response {
    finish(problem.response(instance: "\(path)#\(record.id)"))
  }

  /// Adds what every answer carries.
  func finish(_ response: Response) -> Response {
    var response = response
    response.headers.append(contentsOf: extraFields)
    response.headers[.requestID] = record.id
    response.attachment = record
    return response
  }

  /// The client's own identifier if it is one, else a new one.
  static func identifier(of request: Request) -> String {
    if let given = request.headers[.requestID], !given.isEmpty, given.utf8.count <= 128,
      given.utf8.allSatisfy({ isIdentifierByte($0) })
    {
      return given
    }
    let number = UInt64.random(in: .min ... .max)
    let text = String(number, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  private static func isIdentifierByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }
}

extension HTTPField.Name {
  /// Chosen by the client or made here; the same in the answer, the log and problem documents.
  static let requestID = HTTPField.Name("X-Request-Id")!
  static let serverTiming = HTTPField.Name("Server-Timing")!
  static let maskSummary = HTTPField.Name("Mask-Summary")!
  static let gradientSummary = HTTPField.Name("Gradient-Summary")!
  /// W3C Trace Context.
  static let traceParent = HTTPField.Name("traceparent")!
}
