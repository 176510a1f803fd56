// SPDX-License-Identifier: GPL-3.0-or-later

/// The application behind a server.
///
/// All calls come on the connection's own thread and may block.
public protocol RequestHandler: Sendable {
  /// Decides about a request whose header is complete and whose body, if any, has not been read.
  func begin(_ request: Request, connection: Connection) -> RequestDecision

  /// Words the refusal of a request that the transport itself turns down.
  ///
  /// - Parameter request: the request, as far as it could be understood.
  /// - Returns: the answer, whose status is normally `reason.status`. The connection is closed.
  func refusal(_ reason: TransportRefusal, request: Request?) -> Response

  /// Reports a request that is over, answered or not; for logs and metrics.
  func requestCompleted(_ completion: RequestCompletion)
}

extension RequestHandler {
  public func requestCompleted(_ completion: RequestCompletion) {}
}

/// What is done with a request once its header is known.
public enum RequestDecision {
  /// Answer; the body, if there is one, is not wanted.
  ///
  /// A small body is read and dropped, and the connection lives on. A larger one, or one that waits
  /// for `100 Continue`, is not read: the answer goes out at once and the connection is closed.
  case respond(Response)
  /// Give the body, which may be empty, to this receiver.
  case receive(any BodyReceiver)
}

/// Takes the body of one request, in pieces, on the connection's thread.
///
/// Exactly one of `finish()`, `cancel()` and an early response from `receive(_:)` ends a receiver;
/// no call follows it.
public protocol BodyReceiver: AnyObject {
  /// Takes the next bytes, which are gone after the call.
  ///
  /// - Returns: nil to go on, or an early answer. The rest of the body is then dropped: up to
  ///   `ServerConfiguration.drainLimit` bytes of it are read to keep the connection alive,
  ///   beyond that the connection is closed after the answer.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Response?

  /// Offers memory of the receiver's own for the next bytes, which spares a copy; must not block.
  ///
  /// Bytes that are read into it go to `receive(_:)` in their place, from its start on.
  ///
  /// - Returns: memory, not empty, that is valid until the next call; nil where there is none.
  func room() -> UnsafeMutableRawBufferPointer?

  /// Answers, now that the whole body has arrived; may block.
  func finish() -> Response

  /// Drops the work: the client went away, a deadline passed, or the server is stopping.
  func cancel()
}

extension BodyReceiver {
  public func room() -> UnsafeMutableRawBufferPointer? { nil }
}

/// A request that is over.
public struct RequestCompletion: Sendable {
  /// How a request ended.
  public enum Outcome: Sendable {
    /// The answer was handed to the socket whole.
    case answered
    /// The client went away, or was too slow to read the answer.
    case clientGone
    /// The request was refused before its body had ended, and over TLS no answer can be written then.
    case unanswered
    /// A deadline for the header or the body passed.
    case timedOut
    /// The server was stopped.
    case stopped
  }

  /// The request; nil when its header was not understood.
  public var request: Request?
  /// The method as sent; empty when the header never arrived whole.
  public var method: String
  /// The request target as sent.
  public var target: String
  /// The client's address.
  public var remoteAddress: String
  /// The answer that was sent or begun; nil when there was none.
  public var response: Response?
  /// The body bytes that arrived, without transfer encoding.
  public var bytesIn: Int
  /// The body bytes that were sent; 0 when the answer was cut short.
  public var bytesOut: Int
  /// The time since the request line.
  public var duration: Duration
  /// How the request ended.
  public var outcome: Outcome
}
