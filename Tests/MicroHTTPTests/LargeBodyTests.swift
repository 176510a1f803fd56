// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import MicroHTTP

/// Bodies that are read past the library.
@Suite(.serialized)
struct LargeBodyTests {
  private func head(_ path: String, _ length: Int) -> String {
    "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n"
  }

  @Test func aBodyInPiecesArrivesWholeAndEndsTheConnection() throws {
    try withServer(configured { $0.directBodyBytes = 100_000 }) { server, application in
      let client = try RawClient(port: server.port)
      let whole = TestApplication.pattern(3_000_001)
      try client.send(head("/echo", whole.count))
      var start = 0
      for size in [1, 7, 70_000, 1 << 20, 3, whole.count] {
        let end = min(start + size, whole.count)
        try client.send(Array(whole[start..<end]))
        // Most pieces are met by a reader that waits.
        usleep(5000)
        start = end
      }
      let answer = try client.answer()
      #expect(answer.status == 200)
      #expect(answer.body == whole)
      #expect(answer["Connection"] == "close")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(eventually { application.completions.count == 1 })
      let completion = try #require(application.completions.first)
      #expect(completion.outcome == .answered)
      #expect(completion.bytesIn == whole.count)
      #expect(completion.bytesOut == whole.count)
      #expect(eventually { server.openConnections == 0 && server.activeRequests == 0 })
      #expect(application.log == [])
    }
  }

  @Test func aBodyIsReadIntoTheRoomOfItsReceiver() throws {
    try withServer(configured { $0.directBodyBytes = 100_000 }) { server, application in
      let client = try RawClient(port: server.port)
      let whole = TestApplication.pattern(3_000_001)
      try client.send(head("/room", whole.count))
      try client.send(whole)
      #expect(try client.answer().body == whole)
      #expect(application.counts.inRoom > 1)
    }
  }

  @Test func aBodyBelowTheBoundKeepsTheConnection() throws {
    try withServer(configured { $0.directBodyBytes = 100_000 }) { server, _ in
      let client = try RawClient(port: server.port)
      for _ in 0..<3 {
        try client.send(head("/count", 99_999))
        try client.send([UInt8](repeating: 7, count: 99_999))
        let answer = try client.answer()
        #expect(answer.text == "99999")
        #expect(answer["Connection"] == nil)
      }
    }
  }

  @Test func whatFollowsTheBodyDoesNotDestroyTheAnswer() throws {
    try withServer(configured { $0.directBodyBytes = 0 }) { server, application in
      let client = try RawClient(port: server.port)
      try client.send(head("/count", 1_000_000))
      try client.send([UInt8](repeating: 7, count: 1_000_000))
      try client.send(String(repeating: "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", count: 100))
      #expect(try client.answer().text == "1000000")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(application.counts.begun == 1)
    }
  }

  @Test(arguments: [1000, 10_000_000])
  func anEarlyAnswerArrives(drainLimit: Int) throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.directBodyBytes = 100_000
      $0.drainLimit = drainLimit
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      // Refused after 2,000,000 bytes.
      try client.send(head("/late", 4_000_000))
      try client.send([UInt8](repeating: 7, count: 4_000_000))
      let answer = try client.answer()
      #expect(answer.status == 422)
      #expect(answer["Connection"] == "close")
      #expect(application.counts.early == 1)
      #expect(application.counts.finished + application.counts.cancelled == 0)
    }
  }

  @Test(arguments: [true, false])
  func aClientThatLeavesCancels(resets: Bool) throws {
    try withServer(configured { $0.directBodyBytes = 0 }) { server, application in
      let client = try RawClient(port: server.port)
      try client.send(head("/count", 4_000_000))
      try client.send([UInt8](repeating: 7, count: 1_500_000))
      // A reset destroys what has not been read.
      #expect(eventually { application.counts.receivers == 1 })
      if resets { client.reset() } else { client.close() }
      #expect(eventually { application.completions.count == 1 })
      #expect(application.completions.first?.outcome == .clientGone)
      #expect(application.counts.cancelled == 1)
      #expect(eventually { server.openConnections == 0 })
    }
  }

  @Test func aSlowBodyIsCutAndTold() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.directBodyBytes = 0
      $0.bodyTimeout = .milliseconds(300)
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      try client.send(head("/count", 4_000_000))
      try client.send([UInt8](repeating: 7, count: 1000))
      #expect(try client.answer().status == 408)
      client.halfClose()
      #expect(eventually { application.completions.count == 1 })
      #expect(application.completions.first?.outcome == .timedOut)
      #expect(application.counts.cancelled == 1)
    }
  }

  @Test func aClientThatDoesNotReadIsCut() throws {
    let configure: (inout ServerConfiguration) -> Void = {
      $0.directBodyBytes = 0
      $0.replyTimeout = .milliseconds(300)
    }
    try withServer(configured(configure)) { server, application in
      let client = try RawClient(port: server.port)
      let size = 50_000_000
      try client.send(head("/echo", size))
      try client.send([UInt8](repeating: 7, count: size))
      #expect(eventually { application.completions.count == 1 })
      #expect(application.completions.first?.outcome == .clientGone)
      #expect(eventually { server.openConnections == 0 })
    }
  }

  @Test func manyAtATimeAreAllRead() throws {
    // More than are read past the library at once: the others are the library's.
    try withServer(configured { $0.directBodyBytes = 0 }) { server, application in
      let clients = try (0..<20).map { _ in try RawClient(port: server.port) }
      let half = [UInt8](repeating: 7, count: 500_000)
      for client in clients { try client.send(head("/count", 1_000_000)) }
      for client in clients { try client.send(half) }
      #expect(eventually { DirectBody.currentCount == DirectBody.maximumCount })
      usleep(50_000)
      #expect(DirectBody.currentCount == DirectBody.maximumCount)
      for client in clients { try client.send(half) }
      for client in clients { #expect(try client.answer().text == "1000000") }
      #expect(application.counts.finished == 20)
      #expect(eventually { DirectBody.currentCount == 0 })
    }
  }
}
