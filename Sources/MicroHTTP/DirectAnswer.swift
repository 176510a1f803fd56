// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc
internal import HTTPTypes

/// Answers that the library has no call for, written to a plain socket by its own thread.
///
/// libmicrohttpd takes a response only before the body or after it. A body that turns out to be
/// wrong or late in its middle would otherwise be read to its end, or cut without a word.
enum DirectAnswer {
  /// Sends a response that closes the connection.
  ///
  /// - Returns: whether all of it was handed to the socket before `deadline`.
  static func send(
    _ response: Response,
    to socket: Int32,
    withoutBody: Bool,
    until deadline: Moment
  ) -> Bool {
    guard send(Array(head(of: response).utf8), to: socket, until: deadline) else { return false }
    guard !withoutBody, case .bytes(let bytes) = response.body else { return true }
    return send(bytes, to: socket, until: deadline)
  }

  /// Ends the sending side, then drops what the client sends until it closes or `deadline` comes.
  static func linger(on socket: Int32, shutsDown: Bool, until deadline: Moment) {
    if shutsDown { shutdown(socket, Int32(SHUT_WR)) }
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { scratch in
      while wait(for: POLLIN, on: socket, until: deadline) {
        let count = recv(socket, scratch.baseAddress, scratch.count, 0)
        if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return }
      }
    }
  }

  private static func head(of response: Response) -> String {
    var head = "HTTP/1.1 \(response.status.code) \(response.status.reasonPhrase)\r\n"
    head += "Connection: close\r\nDate: \(date())\r\n"
    for field in response.headers where !Response.isServerField(field.name) {
      if field.name != .connection { head += "\(field.name.rawName): \(field.value)\r\n" }
    }
    return head + "Content-Length: \(response.body.count)\r\n\r\n"
  }

  /// The time of day as RFC 9110 section 5.6.7 writes it.
  private static func date() -> String {
    var now = time(nil)
    var parts = tm()
    gmtime_r(&now, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { buffer in
      guard let base = buffer.baseAddress,
        strftime(base, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0
      else { return "" }
      return String(cString: base)
    }
  }

  private static func send(_ bytes: [UInt8], to socket: Int32, until deadline: Moment) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Glibc.send(
          socket,
          bytes.baseAddress.map { $0 + sent },
          bytes.count - sent,
          Int32(MSG_NOSIGNAL)
        )
        if count > 0 {
          sent += count
        } else if errno != EINTR {
          guard errno == EAGAIN, wait(for: POLLOUT, on: socket, until: deadline) else {
            return false
          }
        }
      }
      return true
    }
  }

  /// Whether the socket is ready before the deadline.
  private static func wait(for event: Int32, on socket: Int32, until deadline: Moment) -> Bool {
    while true {
      let left = deadline - MonotonicClock.now
      guard left > 0 else { return false }
      var entry = pollfd(fd: socket, events: Int16(event), revents: 0)
      let ready = poll(&entry, 1, Int32(min(left / 1_000_000 + 1, 1_000_000)))
      if ready > 0 { return true }
      if ready < 0 && errno != EINTR { return false }
    }
  }
}
