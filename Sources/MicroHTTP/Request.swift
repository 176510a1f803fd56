// SPDX-License-Identifier: GPL-3.0-or-later

public import HTTPTypes

/// The header of a request.
///
/// It never changes, and is a class so that all who keep it share one.
public final class Request: Sendable {
  /// The method.
  public let method: HTTPRequest.Method
  /// The request target as it was sent.
  public let target: String
  /// The path, percent-decoded once; an escaped slash stays escaped.
  public let path: String
  /// The query, decoded, in order, with duplicates.
  public let query: [QueryItem]
  /// The first piece of the query that could not be decoded, as sent; it is not in `query`.
  public let malformedQuery: String?
  /// The header fields, in order, with duplicates.
  public let headers: HTTPFields
  /// The announced size of the body in bytes; nil without a Content-Length field.
  public let contentLength: Int?
  /// Whether the body comes in chunks, its size unknown.
  public let isChunked: Bool
  /// The client's address: an IP number, or "unix".
  public let remoteAddress: String
  /// Whether the connection is encrypted.
  public let isSecure: Bool

  /// Whether a body follows the header.
  public var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

  /// Makes a request from its parts.
  ///
  /// - Throws: `TransportRefusal.malformedTarget` when the target's path cannot be decoded.
  public init(
    method: HTTPRequest.Method,
    target: String,
    headers: HTTPFields = [:],
    contentLength: Int? = nil,
    isChunked: Bool = false,
    remoteAddress: String = "",
    isSecure: Bool = false
  ) throws(TransportRefusal) {
    guard let parsed = RequestTarget(target) else { throw .malformedTarget }
    self.method = method
    self.target = target
    self.path = parsed.path
    self.query = parsed.query
    self.malformedQuery = parsed.malformedQuery
    self.headers = headers
    self.contentLength = contentLength
    self.isChunked = isChunked
    self.remoteAddress = remoteAddress
    self.isSecure = isSecure
  }
}

/// A name and value from a query.
public struct QueryItem: Sendable, Hashable {
  /// The decoded name.
  public let name: String
  /// The decoded value; empty when there was no equals sign.
  public let value: String

  /// Makes an item.
  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}
