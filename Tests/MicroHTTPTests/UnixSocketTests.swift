// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import MicroHTTP
import Testing

struct UnixSocketTests {
  private func temporaryPath() -> String {
    NSTemporaryDirectory() + "microhttp-\(UUID().uuidString.prefix(8)).sock"
  }

  @Test func servesOnlyItsOwnerAndTidiesUp() throws {
    let path = temporaryPath()
    try withServer(configured { $0.unixSocketPath = path }) { server, _ in
      var status = stat()
      #expect(lstat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(server.port == 0)
      let client = try RawClient(path: path)
      try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
      #expect(try client.answer().text == "abc")
      try client.send("GET /inspect HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().text.contains("remote unix secure false"))
    }
    #expect(access(path, F_OK) != 0)
  }

  @Test func anAbandonedSocketIsReplacedAndABusyOneIsNot() throws {
    let path = temporaryPath()
    let abandoned = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafeBytes(of: &address) { raw -> Int32 in
      guard let base = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
      return bind(abandoned, base, socklen_t(raw.count))
    }
    #expect(bound == 0)
    close(abandoned)
    try withServer(configured { $0.unixSocketPath = path }) { _, _ in
      var configuration = ServerConfiguration()
      configuration.unixSocketPath = path
      let second = HTTPServer(configuration: configuration, handler: TestApplication()) { _ in }
      #expect(throws: ServerError.self) { try second.start() }
      #expect((try? RawClient(path: path)) != nil)
    }
  }

  @Test func aFileThatIsNoSocketIsKept() throws {
    let path = temporaryPath()
    #expect(FileManager.default.createFile(atPath: path, contents: Data([1])))
    defer { unlink(path) }
    var configuration = ServerConfiguration()
    configuration.unixSocketPath = path
    let server = HTTPServer(configuration: configuration, handler: TestApplication()) { _ in }
    #expect(throws: ServerError.self) { try server.start() }
    #expect(FileManager.default.contents(atPath: path) == Data([1]))
  }

  @Test func disconnectsAndDeadlinesWorkThereToo() throws {
    let path = temporaryPath()
    let configure: (inout ServerConfiguration) -> Void = {
      $0.unixSocketPath = path
      $0.bodyTimeout = .milliseconds(200)
    }
    try withServer(configured(configure)) { server, application in
      let leaving = try RawClient(path: path)
      try leaving.send("POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      #expect(eventually { application.counts.finished == 1 })
      leaving.close()
      #expect(eventually { application.clientsSeenGone == 1 })
      let slow = try RawClient(path: path)
      try slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
      #expect(try slow.answer().status == 408)
      #expect(eventually { server.openConnections == 0 })
      #expect(application.counts.cancelled == 1)
    }
  }
}
