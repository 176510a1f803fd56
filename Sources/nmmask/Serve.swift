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
    discussion: """
      Each option has a twin in the environment: NMMASK_PORT for --port. SIGTERM and SIGINT let the \
      requests under way finish.
      """
  )

  @OptionGroup(title: "Listening")
  var listen: ListenOptions

  @OptionGroup(title: "Limits")
  var limits: LimitOptions

  @OptionGroup(title: "Logging")
  var logging: LogOptions

  func run() async throws {
    // A client that goes away while it is being answered must not end the process.
    signal(SIGPIPE, SIG_IGN)
    let logger = try logging.makeLogger("nmmask")
    let tokens = try TokenFile(path: listen.tokenPath(), logger: logger)
    var transport = ServerConfiguration()
    try listen.apply(to: &transport, hasTokens: tokens != nil)
    try limits.apply(to: &transport)
    var configuration = try limits.serviceConfiguration()
    configuration.authentication = tokens?.authentication
    configuration.corsOrigins = Set(listen.corsOrigin)

    let service = MaskService(configuration: configuration, logger: logger)
    let server = HTTPServer(configuration: transport, handler: service) { line in
      logger.debug("\(line)")
    }
    let running = RunningServer(
      server: server,
      service: service,
      transport: transport,
      drainLimit: try limits.drainLimit(),
      logger: logger
    )
    var services: [any Service] = [running]
    if let tokens { services.append(tokens) }
    // The steps of the lifecycle itself are of no interest to a user.
    var lifecycleLogger = logger
    lifecycleLogger.logLevel = .error
    try await ServiceGroup(
      services: services,
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: lifecycleLogger
    ).run()
    logger.info("stopped")
  }
}

/// The server, from the moment at which signals are minded until one tells it to stop.
private struct RunningServer: Service {
  let server: HTTPServer
  let service: MaskService
  let transport: ServerConfiguration
  let drainLimit: Duration
  let logger: Logger

  func run() async throws {
    try server.start()
    if let path = transport.unixSocketPath {
      logger.info("listening on \(path)")
    } else {
      let scheme = transport.tls == nil ? "http" : "https"
      logger.info("listening on \(scheme)://\(transport.host):\(server.port)")
    }
    // Returns at the signal; the error of a cancelled task means the same.
    try? await gracefulShutdown()
    service.beginDraining()
    server.stop(drainWithin: drainLimit)
  }
}

/// The tokens of a file, which is read again on SIGHUP.
private struct TokenFile: Service {
  let path: String
  let authentication: Authentication
  let logger: Logger

  init?(path: String?, logger: Logger) throws {
    guard let path else { return nil }
    // It is minded a moment after the service listens; until then it must not end the process.
    signal(SIGHUP, SIG_IGN)
    guard let authentication = Authentication(try readText(path)) else {
      throw CommandError(.data, "'\(path)' has no token in it.")
    }
    self.path = path
    self.authentication = authentication
    self.logger = logger
  }

  func run() async throws {
    for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
      if let text = try? readText(path), authentication.reload(text) {
        logger.info("read the tokens again")
      } else {
        logger.error("the token file has no token that can be read; the old ones stay")
      }
    }
  }
}
