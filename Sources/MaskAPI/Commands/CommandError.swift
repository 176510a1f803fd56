// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes

/// Why a command cannot be carried out, in a sentence for the user.
public struct CommandError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What sort of fault it is; the number is the status that a program ends with, by the names of
  /// `sysexits.h`.
  public enum Kind: Int32, Sendable {
    /// The command line asks for what cannot be meant (`EX_USAGE`).
    case usage = 64
    /// The data are malformed, or cannot be given such a mask (`EX_DATAERR`).
    case data = 65
    /// A file cannot be read (`EX_NOINPUT`).
    case input = 66
    /// A fault of the program's own (`EX_SOFTWARE`).
    case software = 70
    /// A file cannot be made (`EX_CANTCREAT`).
    case creation = 73
    /// A file cannot be written to (`EX_IOERR`).
    case output = 74
    /// Time or a place was short; the same may work later (`EX_TEMPFAIL`).
    case temporary = 75
  }

  public let kind: Kind
  public let description: String

  /// Words a fault.
  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  /// The fault that a request would be answered with.
  init(_ problem: Problem) {
    let kind: Kind =
      switch problem.status.code {
      case 408, 503, 504: .temporary
      case 400..<500: .data
      default: .software
      }
    self.init(kind, problem.detail)
  }

  /// Words a failed call of the system, by the number it left.
  static func system(_ kind: Kind, _ what: String, _ code: Int32) -> CommandError {
    CommandError(kind, "\(what): \(String(cString: strerror(code))).")
  }
}
