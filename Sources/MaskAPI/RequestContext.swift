// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Synchronization

/// What a route knows beside the request: the service it is part of, and the connection.
final class RequestContext: Sendable {
  let service: MaskService
  let connection: Connection
  let record: RequestRecord
  let path: String
  /// Fields that every answer to this request carries.
  let extraFields: HTTPFields

  init(
    service: MaskService,
    connection: Connection,
    record: RequestRecord,
    path: String,
    extraFields: HTTPFields
  ) {
    self.service = service
    self.connection = connection
    self.record = record
    self.path = path
    self.extraFields = extraFields
  }

  /// Answers with a problem.
  func response(_ problem: Problem) -> Response {
    finish(problem.response(instance: "\(path)#\(record.id)"))
  }

  /// Adds what every answer carries.
  func finish(_ response: consuming Response) -> Response {
    response.headers.append(contentsOf: extraFields)
    response.headers.append(HTTPField(name: .requestID, value: record.id))
    response.attachment = record
    return response
  }

  /// The client's own identifier if it is one, else a new one.
  static func identifier(of request: Request) -> String {
    if let given = request.headers.single(.requestID), !given.isEmpty, given.utf8.count <= 128,
      given.utf8.allSatisfy({ isIdentifierByte($0) })
    {
      return given
    }
    // Steps of an odd size come round to each number once; where they begin is chance.
    let step = identifierCount.add(1, ordering: .relaxed).newValue
    return hexadecimal(firstIdentifier &+ step &* 0x9E37_79B9_7F4A_7C15)
  }

  private static let firstIdentifier = UInt64.random(in: .min ... .max)
  private static let identifierCount = Atomic<UInt64>(0)

  private static func hexadecimal(_ number: UInt64) -> String {
    String(unsafeUninitializedCapacity: 16) { text in
      for index in 0..<16 {
        let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 15
        text[index] = digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
      }
      return 16
    }
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

extension HTTPFields {
  /// The value of the one field of this name; nil where there is none, or more than one.
  ///
  /// Unlike the subscript, which joins what may be several values, it makes no text of its own.
  func single(_ name: HTTPField.Name) -> String? {
    var found: HTTPField?
    for field in self where field.name == name {
      guard found == nil else { return nil }
      found = field
    }
    return found?.value
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
