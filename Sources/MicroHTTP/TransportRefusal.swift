// SPDX-License-Identifier: GPL-3.0-or-later

public import HTTPTypes

/// A fault of HTTP itself, for which a request is turned down before the application sees it.
public enum TransportRefusal: Error, Sendable, Equatable, CustomStringConvertible {
  /// The request target cannot be read: a bad percent escape, invalid UTF-8, a space.
  case malformedTarget
  /// The method is not a token.
  case malformedMethod
  /// A header field's name or value holds characters that are not allowed, or is folded.
  case malformedHeader
  /// An HTTP/1.1 request names no host.
  case missingHost
  /// A request names its host twice.
  case repeatedHost
  /// Both Content-Length and Transfer-Encoding: two readers could see two bodies.
  case contentLengthWithTransferEncoding
  /// More than one Content-Length.
  case repeatedContentLength
  /// A Content-Length that is not a number.
  case malformedContentLength
  /// A Content-Length that no machine can hold.
  case contentLengthTooLarge
  /// A header line without a colon, or another fault of the header's syntax.
  case malformedRequest
  /// The sizes of a chunked body do not fit its bytes.
  case malformedChunk
  /// A Transfer-Encoding other than chunked.
  case unsupportedTransferEncoding(String)
  /// An Expect other than 100-continue.
  case unsupportedExpectation(String)
  /// The header is larger than the limit, in bytes, or its fields are too many to be kept.
  case headerTooLarge(limit: Int)
  /// The header was not complete within its time.
  case headerTimeout
  /// The body arrived too slowly.
  case bodyTimeout

  /// The status that says so.
  public var status: HTTPResponse.Status {
    switch self {
    case .malformedTarget, .malformedMethod, .malformedHeader, .missingHost, .repeatedHost,
      .contentLengthWithTransferEncoding, .repeatedContentLength, .malformedContentLength,
      .malformedRequest, .malformedChunk:
      .badRequest
    case .contentLengthTooLarge: .contentTooLarge
    case .unsupportedTransferEncoding: .notImplemented
    case .unsupportedExpectation: .expectationFailed
    case .headerTooLarge: .requestHeaderFieldsTooLarge
    case .headerTimeout, .bodyTimeout: .requestTimeout
    }
  }

  /// One sentence for the client.
  public var description: String {
    switch self {
    case .malformedTarget: "The request target has a bad percent escape, a space or invalid UTF-8."
    case .malformedMethod: "The request method is not a token."
    case .malformedHeader: "A header field has characters that are not allowed, or is folded."
    case .missingHost: "An HTTP/1.1 request needs a Host field."
    case .repeatedHost: "The Host field is repeated."
    case .contentLengthWithTransferEncoding:
      "Content-Length and Transfer-Encoding exclude each other."
    case .repeatedContentLength: "The Content-Length field is repeated."
    case .malformedContentLength: "The Content-Length field is not a number."
    case .contentLengthTooLarge: "The Content-Length is larger than any body can be."
    case .malformedRequest: "The request header is not HTTP."
    case .malformedChunk: "The chunks of the request body are malformed."
    case .unsupportedTransferEncoding(let value):
      "The transfer encoding '\(value)' is not supported; chunked is."
    case .unsupportedExpectation(let value):
      "The expectation '\(value)' is not supported; 100-continue is."
    case .headerTooLarge(let limit):
      "The request header is larger than \(limit) bytes, or has hundreds of fields."
    case .headerTimeout: "The request header did not arrive in time."
    case .bodyTimeout: "The request body arrived too slowly."
    }
  }
}
