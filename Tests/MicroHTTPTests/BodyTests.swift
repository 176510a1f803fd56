// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import Testing

struct BodyTests {
  @Test func aBodyMayArriveByteByByte() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      let request =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789"
      for byte in request.utf8 { try client.send([byte]) }
      let answer = try client.answer()
      #expect(answer.status == 200)
      #expect(answer.text == "01234567890123456789")
    }
  }

  @Test func chunksOfAllSizesAreJoined() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      let whole = TestApplication.pattern(400_000)
      for _ in 0..<2 {
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        var start = 0
        var size = 1
        while start < whole.count {
          let end = min(start + size, whole.count)
          try client.sendChunk(Array(whole[start..<end]))
          start = end
          size = size * 3 + 1
        }
        try client.send("0\r\nTrailer-Field: x\r\n\r\n")
        #expect(try client.answer().body == whole)
      }
      #expect(eventually { application.completions.count == 2 })
      #expect(application.completions.map(\.bytesIn) == [400_000, 400_000])
    }
  }

  @Test func theNameOfTheEncodingMayBeInCapitals() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      try client.send("POST /echo HTTP/1.1\r\nhost:a\r\ntransfer-encoding:\tChunked\r\n\r\n")
      try client.send("3;name=value\r\nabc\r\n0\r\n\r\n")
      #expect(try client.answer().text == "abc")
    }
  }

  @Test func aLargeBodyArrivesWhole() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      let whole = TestApplication.pattern(8 << 20)
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(whole.count)\r\n\r\n")
      try client.send(whole)
      #expect(try client.answer().body == whole)
    }
  }

  @Test func malformedChunksCancel() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      try client.send("3\r\nabc\r\nxyz\r\n")
      let answer = try client.answer()
      #expect(answer.status == 400)
      #expect(answer.text.hasPrefix("refusal: "))
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(eventually { application.counts.cancelled == 1 })
      #expect(application.counts.finished == 0)
    }
  }

  @Test func continueIsSentForAWantedBody() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      try client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
      )
      #expect(try client.answer(toHead: true).status == 100)
      try client.send("abcd")
      #expect(try client.answer().text == "abcd")
    }
  }

  @Test func anUnwantedBodyIsNotWaitedForWithExpect() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send(
        "POST /limited HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"
      )
      let answer = try client.answer()
      #expect(answer.status == 413)
      #expect(answer["Connection"] == "close")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(eventually { application.completions.first?.bytesIn == 0 })
    }
  }

  @Test func aSmallUnwantedBodyKeepsTheConnection() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      for body in [1001, 5000] {
        try client.send("POST /limited HTTP/1.1\r\nHost: a\r\nContent-Length: \(body)\r\n\r\n")
        try client.send([UInt8](repeating: 7, count: body))
        let answer = try client.answer()
        #expect(answer.status == 413)
        #expect(answer["Connection"] == nil)
      }
      try client.send("POST /refused HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      try client.sendChunk([1, 2, 3])
      try client.send("0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().status == 404)
      #expect(try client.answer().text == "hello")
    }
  }

  @Test func aLargeUnwantedBodyIsAnsweredAtOnceAndTheClientCanReadIt() throws {
    try withServer(configured { $0.drainLimit = 10_000 }) { server, _ in
      let client = try RawClient(port: server.port)
      let size = 30 << 20
      try client.send("POST /limited HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
      // A client that writes everything before it reads must not be reset meanwhile.
      try client.send([UInt8](repeating: 7, count: size))
      let answer = try client.answer()
      #expect(answer.status == 413)
      #expect(answer["Connection"] == "close")
    }
  }

  @Test func anEarlyAnswerKeepsTheConnectionWhenLittleIsLeft() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      for _ in 0..<3 {
        try client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        try client.send([UInt8](repeating: 7, count: 300_000))
        let answer = try client.answer()
        #expect(answer.status == 422)
        #expect(answer["Connection"] == nil)
      }
      #expect(application.counts.early == 3)
      #expect(application.counts.cancelled + application.counts.finished == 0)
    }
  }

  @Test(arguments: [true, false])
  func anEarlyAnswerClosesTheConnectionWhenMuchIsLeft(isChunked: Bool) throws {
    try withServer(configured { $0.drainLimit = 10_000 }) { server, application in
      let client = try RawClient(port: server.port)
      let size = 4 << 20
      let field = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(size)"
      try client.send("POST /early HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n")
      let body = [UInt8](repeating: 7, count: size)
      if isChunked { try client.sendChunk(body) } else { try client.send(body) }
      let answer = try client.answer()
      #expect(answer.status == 422)
      #expect(answer.text == "early")
      #expect(answer["Connection"] == "close")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(eventually { application.completions.count == 1 })
      #expect(application.completions.first?.outcome == .answered)
      #expect(application.counts.early == 1)
    }
  }
}
