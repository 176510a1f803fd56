// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import Logging
import MaskAPI
import MicroHTTP
import ServiceLifecycle
import UnixSignals

/// `nmmask serve`: the HTTP service.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer HTTP requests for masks.",
    discussion: "Each option has a twin in the environment: NMMASK_PORT for --port."
  )

  @Option(help: "The address to listen on. (default: 127.0.0.1)")
  var host: String?

  @Option(help: "The port to listen on; 0 takes any free one. (default: 8080)")
  var port: Int?

  @Option(help: "The number of solver threads. (default: one per core)")
  var threads: Int?

  @Option(help: "The largest binary body, as bytes, KiB, MiB or GiB. (default: 2GiB)")
  var maxBody: ByteCount?

  @Option(help: "The largest JSON body, as bytes, KiB, MiB or GiB. (default: 64MiB)")
  var maxJsonBody: ByteCount?

  @Option(help: "The connections kept at once. (default: 4096)")
  var maxConnections: Int?

  @Option(help: "The seconds that requests under way get when the service stops. (default: 30)")
  var timeout: Int?

  func run() async throws {
    var logger = Logger(label: "nmmask", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .info
    var transport = ServerConfiguration()
    transport.host = try setting(host, "host", default: transport.host)
    transport.port = try setting(port, "port", default: 8080)
    transport.maximumConnections = try setting(
      maxConnections, "max-connections", default: transport.maximumConnections)
    let threads = try setting(
      threads, "threads", default: ProcessInfo.processInfo.activeProcessorCount)
    guard threads > 0 else { throw ValidationError("--threads must be at least 1.") }
    let service = MaskService(
      configuration: ServiceConfiguration(
        threads: threads,
        maximumBody: try setting(maxBody, "max-body", default: ByteCount(2 << 30)).bytes,
        maximumJSONBody: try setting(
          maxJsonBody, "max-json-body", default: ByteCount(64 << 20)
        ).bytes))
    let log = logger
    let server = HTTPServer(configuration: transport, handler: service) { line in
      log.warning("\(line)")
    }
    let drainSeconds = try setting(timeout, "timeout", default: 30)
    try server.start()
    logger.info("listening on http://\(transport.host):\(server.port)")
    let group = ServiceGroup(
      services: [RunningServer(server: server, drainLimit: .seconds(drainSeconds))],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: quietLogger)
    try await group.run()
    logger.info("stopped")
  }

  /// The lifecycle's own steps are of no interest to a user.
  private var quietLogger: Logger {
    var logger = Logger(label: "nmmask.lifecycle", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .error
    return logger
  }
}

/// A started server, until it is told to stop.
private struct RunningServer: Service {
  let server: HTTPServer
  let drainLimit: Duration

  func run() async throws {
    try? await gracefulShutdown()
    server.stop(drainWithin: drainLimit)
  }
}
