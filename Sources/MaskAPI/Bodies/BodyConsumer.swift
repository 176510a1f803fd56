// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP

/// Takes the body of a request and makes the answer.
///
/// The counterpart of `BodyReceiver` for code that says what is wrong by throwing a `Problem`.
protocol BodyConsumer: AnyObject {
  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem)
  /// Called once, after the whole body.
  func finish() throws(Problem) -> Response
  /// Called instead of `finish()` where the client has gone or a problem was thrown.
  func cancel()
}

/// Connects a consumer to the server, and keeps the body within its limit.
final class BodyReception: BodyReceiver {
  private let consumer: any BodyConsumer
  private let context: RequestContext

  init(_ consumer: any BodyConsumer, _ context: RequestContext) {
    self.consumer = consumer
    self.context = context
  }

  func receive(_ bytes: UnsafeRawBufferPointer) -> Response? {
    do throws(Problem) {
      try consumer.consume(bytes)
      return nil
    } catch {
      consumer.cancel()
      return context.response(error)
    }
  }

  func finish() -> Response {
    do throws(Problem) {
      return context.finish(try consumer.finish())
    } catch {
      consumer.cancel()
      return context.response(error)
    }
  }

  func cancel() { consumer.cancel() }
}
