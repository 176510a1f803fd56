// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import MaskAPI
import MicroHTTP

/// How much and how long clients may take.
struct LimitOptions: ParsableArguments {
  @Option(help: "The number of solver threads. (default: one per core)")
  var threads: Int?

  @Option(help: "The largest binary body, as bytes, KiB, MiB or GiB. (default: 2GiB)")
  var maxBody: ByteCount?

  @Option(help: "The largest JSON body, as bytes, KiB, MiB or GiB. (default: 64MiB)")
  var maxJsonBody: ByteCount?

  @Option(help: "The memory that all requests may take. (default: half of what there is)")
  var maxMemory: ByteCount?

  @Option(help: "The requests at work at once; more get 503. (default: 256)")
  var maxRequests: Int?

  @Option(help: "The connections kept at once; more are reset. (default: 4096)")
  var maxConnections: Int?

  @Option(help: "The seconds that a request may wait for solvers. (default: 300)")
  var solveTimeout: Int?

  @Option(help: "The seconds that a request's header may take. (default: 10)")
  var headerTimeout: Int?

  @Option(help: "The seconds that a body may fall behind 16 KiB/s. (default: 30)")
  var bodyTimeout: Int?

  @Option(help: "The seconds that a connection may be idle. (default: 75)")
  var idleTimeout: Int?

  @Option(help: "The seconds that requests under way get when the service stops. (default: 30)")
  var timeout: Int?

  /// Sets the limits of the transport.
  func apply(to configuration: inout ServerConfiguration) throws {
    configuration.maximumConnections = try positive(
      maxConnections,
      "max-connections",
      default: configuration.maximumConnections
    )
    configuration.headerTimeout = .seconds(
      try positive(headerTimeout, "header-timeout", default: 10)
    )
    configuration.bodyTimeout = .seconds(try positive(bodyTimeout, "body-timeout", default: 30))
    configuration.idleTimeout = .seconds(try positive(idleTimeout, "idle-timeout", default: 75))
  }

  /// The limits of the service.
  func serviceConfiguration() throws -> ServiceConfiguration {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    var configuration = ServiceConfiguration(
      threads: try positive(threads, "threads", default: cores)
    )
    configuration.maximumBody =
      try setting(maxBody, "max-body", default: ByteCount(configuration.maximumBody)).bytes
    configuration.maximumJSONBody =
      try setting(maxJsonBody, "max-json-body", default: ByteCount(configuration.maximumJSONBody))
      .bytes
    configuration.maximumMemory =
      try setting(maxMemory, "max-memory", default: ByteCount(configuration.maximumMemory)).bytes
    configuration.maximumRequests = try positive(
      maxRequests,
      "max-requests",
      default: configuration.maximumRequests
    )
    configuration.solveTimeout = .seconds(try positive(solveTimeout, "solve-timeout", default: 300))
    return configuration
  }

  /// How long a stop waits for requests under way.
  func drainLimit() throws -> Duration {
    .seconds(try positive(timeout, "timeout", default: 30))
  }

  private func positive(_ flag: Int?, _ name: String, default fallback: Int) throws -> Int {
    let value = try setting(flag, name, default: fallback)
    guard value > 0 else { throw ValidationError("--\(name) must be at least 1.") }
    return value
  }
}
