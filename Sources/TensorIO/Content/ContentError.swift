// SPDX-License-Identifier: GPL-3.0-or-later

/// A compression of a body, by its name in the `Content-Encoding` field.
public enum ContentEncoding: String, Sendable, Hashable, CaseIterable {
  case gzip
  case zstd

  /// The memory that expanding a body takes at most, in bytes, beside what it expands to.
  ///
  /// A zstd frame asks for its window: 8 MiB are allowed, and libzstd adds some blocks and tables.
  public var memory: Int {
    switch self {
    case .gzip: 256 << 10
    case .zstd: 9 << 20
    }
  }

  /// Makes the encoding of a token of `Content-Encoding`, in any case (RFC 9110, section 8.4.1).
  public init?(token: some StringProtocol) {
    switch token.lowercased() {
    case "gzip", "x-gzip": self = .gzip
    case "zstd": self = .zstd
    default: return nil
    }
  }
}

/// Why a compressed body was refused.
public enum ContentError: Error, Sendable, Hashable {
  /// The body ends before its compressed data do.
  case truncated(ContentEncoding)
  /// The body is not what its encoding allows.
  case corrupt(ContentEncoding, reason: String)
  /// Bytes that are not of the encoding follow the compressed data.
  case trailingBytes(ContentEncoding)
  /// The body expands to more than `limit` bytes.
  case tooLarge(limit: Int)
  /// To expand the body would take a window of more than `limit` bytes.
  case windowTooLarge(limit: Int)

  /// What sort of fault this is.
  public var kind: FaultKind {
    switch self {
    case .truncated, .corrupt, .trailingBytes: .syntax
    case .tooLarge: .limit
    case .windowTooLarge: .unsupported
    }
  }

  /// One sentence for the user.
  public var message: String {
    switch self {
    case .truncated(let encoding):
      "The \(encoding.rawValue) body ends too soon."
    case .corrupt(let encoding, let reason):
      "The body is not valid \(encoding.rawValue): \(reason)."
    case .trailingBytes(let encoding):
      "Bytes that are not \(encoding.rawValue) follow the compressed body."
    case .tooLarge(let limit):
      "The body expands to more than the \(limit) bytes that are allowed."
    case .windowTooLarge(let limit):
      "The zstd body needs a window of more than the \(limit) bytes that are allowed."
    }
  }
}
