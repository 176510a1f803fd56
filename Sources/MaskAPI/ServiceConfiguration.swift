// SPDX-License-Identifier: GPL-3.0-or-later

/// The settings of the service above HTTP.
public struct ServiceConfiguration: Sendable {
  /// The number of solver threads.
  public var threads: Int
  /// The largest binary body, in bytes, after decompression.
  public var maximumBody = 2 << 30
  /// The largest JSON body, in bytes, after decompression.
  public var maximumJSONBody = 64 << 20
  /// The requests that may be at work at once; more are told to come back.
  public var maximumRequests = 256
  /// The memory that they may take together, in bytes.
  public var maximumMemory = MemoryLimits().defaultBudget
  /// The longest that a request may wait for solvers.
  public var solveTimeout = Duration.seconds(300)
  /// The tokens that open the service; nil leaves it open.
  public var authentication: Authentication?
  /// The origins of web pages whose scripts may call the service.
  public var corsOrigins: Set<String> = []

  /// Makes a configuration of the defaults.
  public init(threads: Int) { self.threads = threads }
}
