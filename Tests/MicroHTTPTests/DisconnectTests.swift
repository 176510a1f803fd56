// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import HTTPTypes
import MicroHTTP
import Testing

struct DisconnectTests {
  enum Departure: CaseIterable { case close, halfClose, reset }

  private func leave(_ client: RawClient, _ departure: Departure) {
    switch departure {
    case .close: client.close()
    case .halfClose: client.halfClose()
    case .reset: client.reset()
    }
  }

  @Test(arguments: Departure.allCases, [true, false])
  func leavingInABodyCancelsOnce(_ departure: Departure, isChunked: Bool) throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      let field = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 1000"
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n")
      try client.send(isChunked ? "20\r\n0123456789" : "0123456789")
      #expect(eventually { application.counts.begun == 1 })
      leave(client, departure)
      #expect(eventually { server.openConnections == 0 })
      #expect(application.counts.cancelled == 1)
      #expect(application.counts.finished == 0)
      #expect(server.activeRequests == 0)
      #expect(application.completions.map(\.outcome) == [.clientGone])
    }
  }

  @Test(arguments: Departure.allCases)
  func aBlockedHandlerSeesItsClientGone(_ departure: Departure) throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      #expect(eventually { application.counts.finished == 1 })
      usleep(20_000)
      #expect(application.clientsSeenGone == 0)
      leave(client, departure)
      #expect(eventually { application.clientsSeenGone == 1 })
      #expect(eventually { server.openConnections == 0 })
      #expect(application.counts.cancelled == 0)
    }
  }

  @Test func aClientThatSentItsNextRequestIsNotGone() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { application.counts.finished == 1 })
      usleep(50_000)
      #expect(application.clientsSeenGone == 0)
      application.openGate()
      #expect(try client.answer().text == "unblocked")
      #expect(try client.answer().text == "hello")
    }
  }

  @Test func leavingAtEveryByteLeaksNothing() throws {
    try withServer { server, application in
      let request = Array(
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
          + "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")
          .utf8
      )
      for count in 0...request.count {
        let client = try RawClient(port: server.port)
        try client.send(Array(request[..<count]))
        leave(client, Departure.allCases[count % 3])
      }
      // Connections are accepted in their order: none is still to come once the last is served.
      let last = try RawClient(port: server.port)
      try last.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try last.answer().text == "hello")
      last.close()
      #expect(eventually { server.openConnections == 0 && server.activeRequests == 0 })
      let counts = application.counts
      #expect(counts.receivers > 0)
      #expect(counts.ended == counts.receivers)
      let client = try RawClient(port: server.port)
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().text == "hello")
    }
  }

  @Test func aConnectionThatIsOverIsGone() throws {
    final class Keeper: RequestHandler {
      let kept = Kept()
      func begin(_ request: Request, connection: Connection) -> RequestDecision {
        kept.set(connection)
        return .respond(Response(status: .ok))
      }
      func refusal(_ reason: TransportRefusal, request: Request?) -> Response {
        Response(status: reason.status)
      }
    }
    let keeper = Keeper()
    let server = HTTPServer(configuration: ServerConfiguration(), handler: keeper) { _ in }
    try server.start()
    defer { server.stop(drainWithin: .zero) }
    let client = try RawClient(port: server.port)
    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = try client.answer()
    let connection = try #require(keeper.kept.get())
    #expect(!connection.isClientGone)
    client.close()
    #expect(eventually { server.openConnections == 0 })
    // The number of the old socket is likely to be taken by this one.
    let other = try RawClient(port: server.port)
    try other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = try other.answer()
    #expect(connection.isClientGone)
  }
}
