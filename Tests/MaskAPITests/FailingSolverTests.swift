// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Logging
import MicroHTTP
import Testing

@testable import MaskAPI
@testable import Sparsity

/// No request is known for which GLPK, or another solver, fails; so one is put in its place that does.
struct FailingSolverTests {
  private final class FailingSolver: MaskSolver {
    func solve(
      _ strip: MatrixView,
      columns: Int,
      into mask: MaskRows
    ) throws(SolveError) -> MaskOutcome {
      throw .solverFailed(detail: "GLPK: glp_mincost_okalg: 0x03")
    }
  }

  @Test("A solver that fails costs one request, which is told, and never becomes a mask")
  func failure() throws {
    let service = MaskService(
      configuration: ServiceConfiguration(threads: 1),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    let server = HTTPServer(configuration: transport, handler: service) { _ in }
    try server.start()
    defer { server.stop(drainWithin: .zero) }

    let specification = try MaskSpecification(
      pattern: Pattern(n: 2, m: 4),
      method: .minimumCostFlow
    )
    let layout = try MaskLayout(specification, rows: 4, columns: 4)
    let weights = "\"weights\":[[1,2,3,4],[5,6,7,8],[1,2,3,4],[5,6,7,8]]"
    let request = "{\"n\":2,\"m\":4,\"method\":\"min_cost_flow\",\(weights)}"
    #expect(try post(request, to: server.port).hasPrefix("HTTP/1.1 200 "))

    // Idle solvers are handed out again, and each thread has a place of its own for them.
    for _ in 0..<3 {
      service.pool.makeLane().submit {
        for _ in 0..<3 { _ = service.pool.solvers.take(layout) }
        for _ in 0..<3 {
          service.pool.solvers.put(BandSolver(layout: layout, solver: FailingSolver()))
        }
      }
    }
    for _ in 0..<3 {
      let reply = try post(request, to: server.port)
      #expect(reply.hasPrefix("HTTP/1.1 500 "))
      #expect(reply.contains("application/problem+json"))
      #expect(reply.contains("\"The solver failed: GLPK: glp_mincost_okalg: 0x03.\""))
      #expect(!reply.contains("\"mask\""))
    }
    // Others are served as ever.
    let other = "{\"n\":1,\"m\":4,\"method\":\"min_cost_flow\",\(weights)}"
    #expect(try post(other, to: server.port).hasPrefix("HTTP/1.1 200 "))
    #expect(try post("{\"n\":2,\"m\":4,\(weights)}", to: server.port).hasPrefix("HTTP/1.1 200 "))
  }

  private var transport: ServerConfiguration {
    var configuration = ServerConfiguration()
    configuration.port = 0
    return configuration
  }

  /// Posts JSON to `/v1/masks` and returns all that is answered.
  private func post(_ body: String, to port: Int) throws -> String {
    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    let isConnected = withUnsafeBytes(of: &address) { bytes in
      connect(
        client,
        bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        socklen_t(bytes.count)
      )
    }
    try #require(isConnected == 0)
    let text =
      "POST /v1/masks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    try #require(write(client, text, text.utf8.count) == text.utf8.count)
    var reply: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(client, &piece, piece.count)
      guard count > 0 else { break }
      reply += piece[..<count]
    }
    return String(decoding: reply, as: UTF8.self)
  }
}
