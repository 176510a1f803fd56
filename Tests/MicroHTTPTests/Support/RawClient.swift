// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc

/// A client that sends exactly the bytes it is told to; no read or write waits longer than 10 s.
final class RawClient {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  struct Answer {
    var status = 0
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []

    var text: String { String(decoding: body, as: UTF8.self) }

    subscript(name: String) -> String? {
      fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  let descriptor: Int32
  private var buffer: [UInt8] = []
  private var isOpen = true

  /// Connects to a port on loopback.
  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    try connect(&address, size)
  }

  /// Connects to a Unix socket.
  init(path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    try connect(&address, socklen_t(MemoryLayout<sockaddr_un>.size))
  }

  deinit { close() }

  private func connect(_ address: UnsafeRawPointer, _ size: socklen_t) throws {
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    let limitSize = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, limitSize)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, limitSize)
    guard Glibc.connect(descriptor, address.assumingMemoryBound(to: sockaddr.self), size) == 0
    else { throw Failure(description: "connect: \(String(cString: strerror(errno)))") }
  }

  // MARK: Sending

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else {
        throw Failure(description: "send: \(String(cString: strerror(errno)))")
      }
      sent += count
    }
  }

  func sendChunk(_ bytes: [UInt8]) throws {
    try send(Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + [13, 10])
  }

  func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

  func close() {
    if isOpen { Glibc.close(descriptor) }
    isOpen = false
  }

  /// Closes so that the other side sees a reset.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  // MARK: Receiving

  /// Reads one answer, to the end of its body.
  func answer(toHead: Bool = false) throws -> Answer {
    var answer = Answer()
    let end = Array("\r\n\r\n".utf8)
    var headEnd = buffer.firstRange(of: end)
    while headEnd == nil {
      try fill()
      headEnd = buffer.firstRange(of: end)
    }
    guard let headEnd else { throw Failure(description: "no head") }
    let head = String(decoding: buffer[..<headEnd.lowerBound], as: UTF8.self)
    buffer.removeSubrange(..<headEnd.upperBound)
    let lines = head.split(separator: "\r\n")
    guard let first = lines.first, first.hasPrefix("HTTP/1.1 "),
      let status = Int(first.dropFirst(9).prefix(3))
    else { throw Failure(description: "bad status line in \(head)") }
    answer.status = status
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      answer.fields.append((String(line[..<colon]), String(value)))
    }
    if !toHead, let length = answer["Content-Length"].flatMap({ Int($0) }) {
      while buffer.count < length { try fill() }
      answer.body = Array(buffer[..<length])
      buffer.removeSubrange(..<length)
    }
    return answer
  }

  /// Reads until the server closes.
  func everything() -> [UInt8] {
    while (try? fill()) != nil {}
    return buffer
  }

  /// Whether the server closes the connection without sending another byte.
  func isClosedByServer() -> Bool {
    guard buffer.isEmpty else { return false }
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, 0)
    return count == 0 || count < 0 && errno == ECONNRESET
  }

  private func fill() throws {
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(descriptor, &piece, piece.count, 0)
    guard count > 0 else {
      let reason = count == 0 ? "closed" : String(cString: strerror(errno))
      throw Failure(description: "receive: \(reason) after \(buffer.count) bytes")
    }
    buffer += piece[..<count]
  }
}
