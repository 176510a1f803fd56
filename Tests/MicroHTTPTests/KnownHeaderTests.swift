// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import Testing

/// Headers that a connection repeats are recognised; a header that differs anywhere is read anew.
struct KnownHeaderTests {
  static let header =
    "GET /inspect?a=%31&b=2 HTTP/1.1\r\nHost: h\r\nX-A: one\r\nEmpty:\r\nX-B: two \r\n\r\n"

  @Test func aRepeatedHeaderIsReadOnce() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      var texts: Set<String> = []
      for _ in 0..<5 {
        try client.send(Self.header)
        texts.insert(try client.answer().text)
      }
      #expect(texts.count == 1)
      #expect(texts.first?.contains("\nx-a=one\nempty=\nx-b=two\n") == true)
      #expect(eventually { application.completions.count == 5 })
      let read = application.completions.compactMap { $0.request.map(ObjectIdentifier.init) }
      #expect(Set(read).count == 1)

      // Another connection's is its own: it tells another address.
      let other = try RawClient(port: server.port)
      try other.send(Self.header)
      _ = try other.answer()
      #expect(eventually { application.completions.count == 6 })
      let requests = application.completions.compactMap(\.request)
      #expect(requests.count == 6 && requests[5] !== requests[0])
    }
  }

  @Test func aBodyOfAnotherLengthIsNotCutByTheLastOne() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      for length in [3, 3, 5, 3, 30, 0, 3] {
        let body = String(repeating: "x", count: length)
        try client.send(
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n\(body)"
        )
        #expect(try client.answer().text == body)
      }
    }
  }

  @Test func targetsThatAreEquivalentAreNotTheSame() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      // é in one character and in two.
      for name in ["\u{e9}", "e\u{301}", "\u{e9}"] {
        try client.send("GET /inspect?name=\(name) HTTP/1.1\r\nHost: a\r\n\r\n")
        let text = try client.answer().text
        #expect(Array(text.utf8).firstRange(of: Array("query name=\(name)\n".utf8)) != nil)
      }
    }
  }

  @Test func anExpectationIsRemembered() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      for _ in 0..<3 {
        try client.send(
          "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        #expect(try client.answer().status == 100)
        try client.send("ab")
        #expect(try client.answer().text == "ab")
      }
    }
  }

  /// Among the edits are those that leave the memory in which the library has split the header as it
  /// was: a zero in the place of a line end or a colon.
  @Test func everyEditIsReadAsOnAFreshConnection() throws {
    let bytes = Array(Self.header.utf8)
    var edits: [[UInt8]] = []
    for position in bytes.indices {
      let before = Array(bytes[..<position])
      let after = Array(bytes[(position + 1)...])
      edits.append(before + after)
      for byte in Array("\0\r\n :%/2aA".utf8) {
        edits.append(before + [byte] + after)
        edits.append(before + [byte, bytes[position]] + after)
      }
      edits.append(before + [0, 0] + after.dropFirst())
      edits.append(before + [0, 10] + after.dropFirst())
      edits.append(before + [0, 32] + after.dropFirst())
    }
    try withServer { server, _ in
      for edit in edits {
        let fresh = try Self.answer(to: edit, port: server.port, repeating: 0)
        let used = try Self.answer(to: edit, port: server.port, repeating: 2)
        guard fresh != used else { continue }
        let text = String(decoding: edit, as: UTF8.self).debugDescription
        Issue.record("\(text) gives \(fresh), and after the header \(used)")
        return
      }
    }
  }

  /// What a server says to `bytes`, after the header was sent that many times.
  private static func answer(
    to bytes: [UInt8],
    port: Int,
    repeating count: Int
  ) throws -> [Substring] {
    let client = try RawClient(port: port)
    for _ in 0..<count {
      try client.send(header)
      #expect(try client.answer().status == 200)
    }
    try client.send(bytes)
    client.halfClose()
    return String(decoding: client.everything(), as: UTF8.self).split(separator: "\r\n")
      .filter { !$0.hasPrefix("Date:") }
  }
}
