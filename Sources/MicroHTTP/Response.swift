// SPDX-License-Identifier: GPL-3.0-or-later

public import HTTPTypes

/// An answer: a status, header fields and a body.
///
/// `Content-Length`, `Transfer-Encoding` and `Date` are the server's: such fields are dropped here.
/// `Connection: close` closes the connection after the answer.
public struct Response: Sendable {
  /// The bytes that follow the header.
  public enum Body: Sendable {
    /// No bytes.
    case none
    /// These bytes, sent from where they are, without a copy.
    case bytes([UInt8])

    /// The number of bytes.
    public var count: Int {
      switch self {
      case .none: 0
      case .bytes(let bytes): bytes.count
      }
    }
  }

  /// The status; only its code is sent, with the library's reason phrase.
  public var status: HTTPResponse.Status
  /// The header fields, in the order they are sent.
  public var headers: HTTPFields
  /// The body; not sent in answer to HEAD, nor with 204 and 304.
  public var body: Body

  /// Whatever should live until the answer is over, and meet it again in `requestCompleted`.
  public var attachment: (any Sendable)?

  /// Makes a response.
  public init(status: HTTPResponse.Status, headers: HTTPFields = [:], body: Body = .none) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Whether the field is one that the server sets itself.
  static func isServerField(_ name: HTTPField.Name) -> Bool {
    name == .contentLength || name == .transferEncoding || name == .date
  }
}
