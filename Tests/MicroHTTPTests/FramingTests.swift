// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import Testing

struct FramingTests {
  struct Case: CustomTestStringConvertible {
    let testDescription: String
    let request: String
    let status: Int
  }

  static let cases = [
    Case(
      testDescription: "two equal lengths",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
      status: 400
    ),
    Case(
      testDescription: "two lengths",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\nab",
      status: 400
    ),
    Case(
      testDescription: "length and chunked",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "chunked and length",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        + "Content-Length: 2\r\n\r\n0\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "gzip transfer encoding",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
      status: 501
    ),
    Case(
      testDescription: "gzip, chunked",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      status: 501
    ),
    Case(
      testDescription: "chunked twice",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n",
      status: 501
    ),
    Case(
      testDescription: "chunked and a blank",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
      status: 501
    ),
    Case(
      testDescription: "chunked in HTTP/1.0",
      request: "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      status: 501
    ),
    Case(
      testDescription: "another expectation",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\nab",
      status: 417
    ),
    Case(
      testDescription: "line without a colon",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
      status: 400
    ),
    Case(testDescription: "no host", request: "GET /hello HTTP/1.1\r\n\r\n", status: 400),
    Case(
      testDescription: "two hosts",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "space before the colon",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\nab",
      status: 400
    ),
    Case(
      testDescription: "folded field",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n x\r\nA: b\r\n\r\nab",
      status: 400
    ),
    Case(
      testDescription: "folded last field",
      request: "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n x\r\n\r\nab",
      status: 400
    ),
    Case(
      testDescription: "NUL in a field",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\nY: c\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "NUL in the last field",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "control character in a field",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\u{1}b\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "space in the target",
      request: "GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "bad escape in the path",
      request: "GET /hel%2 HTTP/1.1\r\nHost: a\r\n\r\n",
      status: 400
    ),
    Case(
      testDescription: "many fields",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 3000)
        + "\r\n",
      status: 431
    ),
    Case(
      testDescription: "large header",
      request: "GET /hello HTTP/1.1\r\nHost: a\r\nX: "
        + String(repeating: "x", count: 40_000) + "\r\n\r\n",
      status: 431
    ),
    Case(
      testDescription: "large target",
      request: "GET /hello?" + String(repeating: "x", count: 40_000)
        + " HTTP/1.1\r\nHost: a\r\n\r\n",
      status: 431
    ),
  ]

  @Test(arguments: cases)
  func isRefusedInTheApplicationsWordsAndClosed(_ item: Case) throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      // What follows must never be read as a second request.
      try client.send(item.request + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
      let answer = try client.answer()
      #expect(answer.status == item.status)
      #expect(answer.text.hasPrefix("refusal: "))
      #expect(answer["Connection"] == "close")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(application.counts.begun == 0)
      #expect(eventually { application.completions.count == 1 })
    }
  }

  @Test(arguments: [
    ("abc", 400), ("-1", 400), ("+2", 400), ("2,2", 400), ("0x2", 400), ("", 400),
    ("99999999999999999999", 413), ("18446744073709551614", 413), ("9223372036854775808", 413),
  ])
  func badLengthsAreRefused(_ length: String, status: Int) throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\nab")
      let answer = try client.answer()
      #expect(answer.status == status)
      #expect(answer.text.contains("Content-Length"))
      #expect(answer["Connection"] == "close")
      client.halfClose()
      #expect(client.isClosedByServer())
      #expect(application.counts.begun == 0)
    }
  }

  @Test func aHeaderBeyondTheLibrarysMemoryIsRefused() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send(
        "GET /hello HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 400_000)
      )
      let answer = try client.answer()
      #expect(answer.status == 431)
      #expect(answer.text.hasPrefix("refusal: "))
      #expect(eventually { application.completions.count == 1 })
    }
  }

  @Test func fieldsKeepTheirOrderAndDuplicates() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      try client.send(
        "GET /inspect?a=1&b=%32&a=3+4 HTTP/1.1\r\nHost: h\r\nX-A: one \r\nx-b:\ttwo\r\nX-A:three\r\n"
          + "Empty:\r\nCookie: a=b; c=d\r\n\r\n"
      )
      #expect(
        try client.answer().text == """
          GET
          /inspect?a=1&b=%32&a=3+4
          /inspect
          query a=1
          query b=2
          query a=3 4
          host=h
          x-a=one
          x-b=two
          x-a=three
          empty=
          cookie=a=b; c=d
          remote 127.0.0.1 secure false
          """
      )
    }
  }

  @Test func manyFieldsAreNotMistakenForFolding() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      for count in [1, 10, 100, 400] {
        var head = "GET /inspect HTTP/1.1\r\nHost: h\r\n"
        for index in 0..<count { head += "X-\(index): value \(index)\r\n" }
        head += "\r\n"
        // In pieces, so that the read buffer fills in many steps.
        var rest = Array(head.utf8)[...]
        while !rest.isEmpty {
          try client.send(Array(rest.prefix(1000)))
          rest = rest.dropFirst(1000)
        }
        let answer = try client.answer()
        #expect(answer.status == 200)
        #expect(answer.text.contains("x-\(count - 1)=value \(count - 1)\n"))
      }
    }
  }
}
