// SPDX-License-Identifier: GPL-3.0-or-later

/// What sort of fault an input has, so that one switch can choose a status code for all of them.
public enum FaultKind: Sendable, Hashable {
  /// The bytes are not what their format allows (HTTP 400).
  case syntax
  /// The input is well formed and says something impossible (HTTP 422).
  case value
  /// The input is well formed and uses a type that is not handled (HTTP 415 or 422).
  case unsupported
  /// The input passes a limit on its size (HTTP 413).
  case limit
}
