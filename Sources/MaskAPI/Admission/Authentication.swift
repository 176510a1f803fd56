// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Synchronization

/// Bearer tokens (RFC 6750), any of which opens the service.
public final class Authentication: Sendable {
  private let tokens: Mutex<[[UInt8]]>

  /// Makes a check of the tokens in `text`, one a line; empty lines and lines from `#` on are skipped.
  ///
  /// - Returns: nil where there is no token in it.
  public init?(_ text: String) {
    let tokens = Self.tokens(in: text)
    guard !tokens.isEmpty else { return nil }
    self.tokens = Mutex(tokens)
  }

  /// Takes the tokens of `text` in the place of those so far.
  ///
  /// - Returns: false, with nothing changed, where there is no token in it.
  public func reload(_ text: String) -> Bool {
    let fresh = Self.tokens(in: text)
    guard !fresh.isEmpty else { return false }
    tokens.withLock { $0 = fresh }
    return true
  }

  /// - Throws: 401 unless the request carries one of the tokens.
  func check(_ request: Request) throws(Problem) {
    let fields = request.headers[values: .authorization]
    let prefix = "bearer "
    if fields.count == 1, let field = fields.first, field.lowercased().hasPrefix(prefix) {
      let given = Array(field.utf8.dropFirst(prefix.utf8.count))
      // Every token is compared, whole, whatever the first ones say.
      let isKnown = tokens.withLock { tokens in
        tokens.reduce(false) { Self.isEqual($1, given) || $0 }
      }
      if isKnown { return }
    }
    throw Problem(
      .unauthorized,
      "A bearer token that is known here is needed in the Authorization field.",
      headers: [.wwwAuthenticate: "Bearer"]
    )
  }

  /// Takes as long for any `given` of one length, so that time tells nothing of the token.
  private static func isEqual(_ token: [UInt8], _ given: [UInt8]) -> Bool {
    var difference = token.count ^ given.count
    for index in given.indices {
      difference |= Int(token[index % token.count] ^ given[index])
    }
    return difference == 0
  }

  private static func tokens(in text: String) -> [[UInt8]] {
    text.split(whereSeparator: \.isNewline)
      .map { $0.trimmingSpaces() }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }
      .map { Array($0.utf8) }
  }
}
