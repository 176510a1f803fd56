// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import Testing

struct KeepAliveTests {
  @Test func oneConnectionServesManyRequests() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      for index in 0..<50 {
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        try client.send([1, 2, UInt8(index)])
        let answer = try client.answer()
        #expect(answer.status == 200)
        #expect(answer.body == [1, 2, UInt8(index)])
        #expect(answer["Connection"] == nil)
        #expect(answer["Date"] != nil)
      }
      #expect(server.openConnections == 1)
      #expect(application.counts.finished == 50)
    }
  }

  @Test func requestsWithoutBodyKeepTheConnection() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      let heads = [
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /count HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
      ]
      for head in heads + heads {
        try client.send(head)
        let answer = try client.answer()
        #expect(answer.text == (head.hasPrefix("GET") ? "hello" : "0"))
        #expect(answer["Connection"] == nil)
      }
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      var text = ""
      for index in 0..<40 {
        switch index % 4 {
        case 0: text += "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        case 1: text += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\(index + 10)"
        case 2:
          text += "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          text += "1\r\n\(index / 10)\r\n1\r\nx\r\n0\r\n\r\n"
        default: text += "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
        }
      }
      try client.send(text)
      for index in 0..<40 {
        let answer = try client.answer()
        switch index % 4 {
        case 0: #expect(answer.text == "hello")
        case 1: #expect(answer.text == "\(index + 10)")
        case 2: #expect(answer.text == "\(index / 10)x")
        default: #expect(answer.status == 422)
        }
      }
    }
  }

  @Test func headHasTheFieldsOfGetAndNoBody() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send(
        "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      )
      let head = try client.answer(toHead: true)
      let get = try client.answer()
      #expect(head.status == 200)
      #expect(head["Content-Length"] == "5")
      #expect(head["Content-Type"] == get["Content-Type"])
      #expect(get.text == "hello")
      #expect(eventually { application.completions.count == 2 })
      #expect(application.completions.map(\.bytesOut) == [0, 5])
    }
  }

  @Test func clientAndApplicationCanCloseAConnection() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      #expect(try client.answer()["Connection"] == "close")
      #expect(client.isClosedByServer())
      let old = try RawClient(port: server.port)
      try old.send("GET /hello HTTP/1.0\r\n\r\n")
      #expect(try old.answer().text == "hello")
      #expect(old.isClosedByServer())
    }
  }

  @Test func noContentHasNoBody() throws {
    try withServer { server, _ in
      let client = try RawClient(port: server.port)
      try client.send(
        "GET /no-content HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      )
      let empty = try client.answer()
      #expect(empty.status == 204)
      #expect(empty["Content-Length"] == nil)
      #expect(try client.answer().text == "hello")
    }
  }

  @Test func largeAnswersArriveWhole() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      let size = 20 << 20
      try client.send("GET /large?\(size) HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().body.isEmpty)
      try client.send("GET /large?size=\(size) HTTP/1.1\r\nHost: a\r\n\r\n")
      let answer = try client.answer()
      #expect(answer.body == TestApplication.pattern(size))
      #expect(eventually { application.completions.last?.bytesOut == size })
    }
  }
}
