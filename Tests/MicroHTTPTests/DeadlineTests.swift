// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import MicroHTTP
import Testing

struct DeadlineTests {
  /// Sends a byte every 20 ms until the server has had enough, at most 500 of them.
  private func trickle(_ bytes: [UInt8], to client: RawClient) -> Bool {
    for byte in bytes.prefix(500) {
      usleep(20_000)
      do { try client.send([byte]) } catch { return true }
      var entry = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
      if poll(&entry, 1, 0) > 0 { return true }
    }
    return false
  }

  @Test func aSlowRequestLineIsCut() throws {
    try withServer(configured { $0.headerTimeout = .milliseconds(300) }) { server, application in
      let client = try RawClient(port: server.port)
      #expect(trickle([UInt8](repeating: 0x47, count: 500), to: client))
      #expect(client.isClosedByServer())
      #expect(eventually { server.openConnections == 0 })
      #expect(application.counts.begun == 0)
    }
  }

  @Test func aSlowHeaderIsCutAndTold() throws {
    try withServer(configured { $0.headerTimeout = .milliseconds(300) }) { server, application in
      let client = try RawClient(port: server.port)
      try client.send("GET /hello HTTP/1.1\r\nX: ")
      #expect(trickle([UInt8](repeating: 0x61, count: 500), to: client))
      #expect(try client.answer().status == 408)
      #expect(client.isClosedByServer())
      #expect(eventually { server.openConnections == 0 })
      #expect(application.completions.map(\.outcome) == [.timedOut])
    }
  }

  @Test(arguments: [true, false])
  func aSlowBodyIsCutAndCancelledOnce(isChunked: Bool) throws {
    try withServer(configured { $0.bodyTimeout = .milliseconds(300) }) { server, application in
      let client = try RawClient(port: server.port)
      let field = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 4000"
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n")
      if isChunked { try client.send("fa0\r\n") }
      #expect(trickle([UInt8](repeating: 0x61, count: 500), to: client))
      #expect(try client.answer().status == 408)
      #expect(eventually { server.openConnections == 0 })
      #expect(application.counts.cancelled == 1)
      #expect(application.counts.finished == 0)
      #expect(application.completions.map(\.outcome) == [.timedOut])
    }
  }

  @Test func aBodyAtTheLeastRateIsTaken() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.bodyTimeout = .milliseconds(1000)
      $0.minimumBodyBytesPerSecond = 1000
    }
    try withServer(configured(configure)) { server, _ in
      let client = try RawClient(port: server.port)
      try client.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n")
      // Three times the rate, for twice the base.
      for _ in 0..<20 {
        usleep(100_000)
        try client.send([UInt8](repeating: 1, count: 300))
      }
      #expect(try client.answer().text == "6000")
    }
  }

  @Test func theTimeOfABlockedHandlerDoesNotCount() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.headerTimeout = .milliseconds(200)
      $0.bodyTimeout = .milliseconds(200)
      $0.idleTimeout = .milliseconds(200)
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      usleep(800_000)
      application.openGate()
      #expect(try client.answer().text == "unblocked")
    }
  }

  @Test func idleConnectionsAreClosed() throws {
    try withServer(configured { $0.idleTimeout = .milliseconds(200) }) { server, _ in
      let client = try RawClient(port: server.port)
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().text == "hello")
      #expect(client.isClosedByServer())
      #expect(eventually { server.openConnections == 0 })
    }
  }

  @Test func aClientThatDoesNotReadIsCut() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.replyTimeout = .milliseconds(300)
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      try client.send("GET /large?size=50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { application.completions.count == 1 })
      #expect(application.completions.first?.outcome == .clientGone)
      #expect(application.completions.first?.bytesOut == 0)
      #expect(eventually { server.openConnections == 0 })
    }
  }

  @Test func aReplyReadAtTheLeastRateArrivesWhole() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.replyTimeout = .milliseconds(300)
      $0.minimumReplyBytesPerSecond = 1 << 20
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      let size = 60 << 20
      try client.send("GET /large?size=\(size) HTTP/1.1\r\nHost: a\r\n\r\n")
      // Some 40 MB/s, for five times the timeout.
      var scratch = [UInt8](repeating: 0, count: 400_000)
      var received = 0
      while received < size {
        usleep(10_000)
        let count = recv(client.descriptor, &scratch, scratch.count, 0)
        guard count > 0 else { break }
        received += count
      }
      #expect(received >= size)
      #expect(eventually { application.completions.map(\.outcome) == [.answered] })
    }
  }

  @Test func aClientOfAUnixSocketThatDoesNotReadIsCut() throws {
    let path = "/tmp/microhttp-\(getpid())-\(UInt32.random(in: 0...(.max))).sock"
    let configure: (inout ServerConfiguration) -> Void = {
      $0.unixSocketPath = path
      $0.replyTimeout = .milliseconds(200)
      $0.minimumReplyBytesPerSecond = 1 << 30
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(path: path)
      try client.send("GET /large?size=50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { application.completions.map(\.outcome) == [.clientGone] })
      #expect(eventually { server.openConnections == 0 })
    }
  }
}
