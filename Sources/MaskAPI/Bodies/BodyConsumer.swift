// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP

/// Takes the body of a request and makes the answer.
///
/// The counterpart of `BodyReceiver` for code that says what is wrong by throwing a `Problem`.
protocol BodyConsumer: AnyObject {
  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem)
  /// Memory for the next bytes, as of `BodyReceiver`.
  func room() -> UnsafeMutableRawBufferPointer?
  /// Called once, after the whole body.
  func finish() throws(Problem) -> Response
  /// Called instead of `finish()` where the client has gone or a problem was thrown.
  func cancel()
}

extension BodyConsumer {
  func room() -> UnsafeMutableRawBufferPointer? { nil }
}
