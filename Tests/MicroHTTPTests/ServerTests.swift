// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import MicroHTTP
import Synchronization
import Testing

/// Holds a connection beyond its request.
final class Kept: Sendable {
  private let connection = Mutex<Connection?>(nil)
  func set(_ new: Connection) { connection.withLock { $0 = new } }
  func get() -> Connection? { connection.withLock { $0 } }
}

struct ServerTests {
  @Test func manyClientsAtOnce() throws {
    try withServer { server, application in
      let clients = try (0..<300).map { _ in try RawClient(port: server.port) }
      let body = TestApplication.pattern(5000)
      for client in clients {
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
        try client.send(Array(body[..<2500]))
      }
      #expect(eventually { application.counts.begun == 300 })
      #expect(server.openConnections == 300)
      #expect(server.activeRequests == 300)
      for client in clients.reversed() { try client.send(Array(body[2500...])) }
      for client in clients { #expect(try client.answer().body == body) }
      for client in clients { client.close() }
      #expect(eventually { server.openConnections == 0 })
    }
  }

  @Test func stoppingWaitsForTheRequestUnderWay() throws {
    let application = TestApplication()
    let server = HTTPServer(configuration: ServerConfiguration(), handler: application) { _ in }
    try server.start()
    let port = server.port
    let busy = try RawClient(port: port)
    let idle = try RawClient(port: port)
    try idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = try idle.answer()
    try busy.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    #expect(eventually { application.counts.finished == 1 })

    let hasStopped = Background { server.stop(drainWithin: .seconds(10)) }
    #expect(eventually { (try? RawClient(port: port)) == nil })
    // A connection that is still open is served, and told to close.
    try idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try idle.answer()["Connection"] == "close")
    #expect(!hasStopped.isDone)
    application.openGate()
    let answer = try busy.answer()
    #expect(answer.text == "unblocked")
    #expect(answer["Connection"] == "close")
    #expect(busy.isClosedByServer())
    #expect(idle.isClosedByServer())
    #expect(eventually { hasStopped.isDone })
    #expect(server.openConnections == 0)
  }

  @Test func stoppingDoesNotWaitLongerThanAsked() throws {
    let application = TestApplication()
    let server = HTTPServer(configuration: ServerConfiguration(), handler: application) { _ in }
    try server.start()
    let blocked = try RawClient(port: server.port)
    try blocked.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    let uploading = try RawClient(port: server.port)
    try uploading.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
    #expect(eventually { application.counts == .init(finished: 1, begun: 2, receivers: 2) })
    server.stop(drainWithin: .milliseconds(100))
    #expect(server.openConnections == 0)
    #expect(server.activeRequests == 0)
    #expect(application.clientsSeenGone == 1)
    #expect(application.counts.cancelled == 1)
    #expect(application.completions.map(\.outcome) == [.stopped, .stopped])
    #expect(blocked.isClosedByServer())
  }

  @Test func aRequestThatRacesTheStopIsAnsweredOrNotBegun() throws {
    for _ in 0..<20 {
      let application = TestApplication()
      let server = HTTPServer(configuration: ServerConfiguration(), handler: application) { _ in }
      try server.start()
      let clients = try (0..<4).map { _ in try RawClient(port: server.port) }
      for client in clients { try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n") }
      server.stop(drainWithin: .seconds(5))
      let answers = clients.filter { (try? $0.answer())?.text == "hello" }.count
      #expect(answers == application.counts.begun)
      #expect(application.completions.allSatisfy { $0.outcome == .answered })
    }
  }

  @Test func surplusConnectionsAreClosedAndRoomIsReused() throws {
    try withServer(configured { $0.maximumConnections = 5 }) { server, _ in
      var clients = try (0..<5).map { _ in try RawClient(port: server.port) }
      #expect(eventually { server.openConnections == 5 })
      #expect(try RawClient(port: server.port).isClosedByServer())
      clients.removeFirst().close()
      #expect(eventually { server.openConnections == 4 })
      let late = try RawClient(port: server.port)
      try late.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try late.answer().text == "hello")
    }
  }

  @Test func aServerStartsOnceAndStopsTwice() throws {
    let server = HTTPServer(configuration: ServerConfiguration(), handler: TestApplication()) { _ in
    }
    try server.start()
    #expect(throws: ServerError.alreadyStarted) { try server.start() }
    server.stop(drainWithin: .zero)
    server.stop(drainWithin: .zero)
    #expect(throws: ServerError.alreadyStarted) { try server.start() }
  }

  @Test func aTakenPortIsReported() throws {
    try withServer { server, _ in
      var configuration = ServerConfiguration()
      configuration.port = server.port
      let second = HTTPServer(configuration: configuration, handler: TestApplication()) { _ in }
      let error = #expect(throws: ServerError.self) { try second.start() }
      guard case .cannotBind(_, EADDRINUSE, _) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test func faultyConfigurationsAreReported() {
    for change: (inout ServerConfiguration) -> Void in [
      { $0.port = 65536 }, { $0.maximumConnections = 0 }, { $0.bodyTimeout = .zero },
      { $0.minimumBodyBytesPerSecond = 0 }, { $0.maximumHeaderBytes = 1 << 20 },
    ] {
      var configuration = ServerConfiguration()
      change(&configuration)
      let server = HTTPServer(configuration: configuration, handler: TestApplication()) { _ in }
      let error = #expect(throws: ServerError.self) { try server.start() }
      guard case .invalidConfiguration = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test func theLibrarysLogReachesTheApplication() throws {
    try withServer { server, application in
      let client = try RawClient(port: server.port)
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n")
      _ = try client.answer()
      #expect(eventually { application.log.contains { $0.contains("Content-Length") } })
      #expect(application.log.allSatisfy { !$0.contains("\n") })
    }
  }

  @Test func ipv6IsServed() throws {
    try withServer(configured { $0.host = "::1" }) { server, _ in
      let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = in_port_t(server.port).bigEndian
      address.sin6_addr = in6addr_loopback
      let status = withUnsafeBytes(of: &address) { raw -> Int32 in
        guard let base = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
        return connect(descriptor, base, socklen_t(raw.count))
      }
      #expect(status == 0)
      #expect(eventually { server.openConnections == 1 })
    }
  }
}

/// Runs a closure on a thread of its own.
final class Background: Sendable {
  private let done = Atomic(false)

  var isDone: Bool { done.load(ordering: .sequentiallyConsistent) }

  init(_ work: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
      let work: @Sendable () -> Void
      init(_ work: @escaping @Sendable () -> Void) { self.work = work }
    }
    var thread = pthread_t()
    let box = Box { [self] in
      work()
      done.store(true, ordering: .sequentiallyConsistent)
    }
    pthread_create(
      &thread,
      nil,
      {
        if let context = $0 { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().work() }
        return nil
      },
      Unmanaged.passRetained(box).toOpaque()
    )
    pthread_detach(thread)
  }
}
