// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Why a server could not start.
public enum ServerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A setting is out of range.
  case invalidConfiguration(String)
  /// An address could not be resolved or bound; `code` is the errno, or 0 when there is none.
  case cannotBind(address: String, code: Int32, reason: String)
  /// The library refused to start; `reason` is what it logged.
  case cannotStart(reason: String)
  /// `start()` was called twice.
  case alreadyStarted

  public var description: String {
    switch self {
    case .invalidConfiguration(let fault): fault
    case .cannotBind(let address, _, let reason): "cannot listen on \(address): \(reason)"
    case .cannotStart(let reason): "cannot start the HTTP server: \(reason)"
    case .alreadyStarted: "the HTTP server was started before"
    }
  }

  static func cannotBind(_ address: String, errno code: Int32) -> ServerError {
    .cannotBind(address: address, code: code, reason: String(cString: strerror(code)))
  }
}
