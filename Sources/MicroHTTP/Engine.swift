// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Synchronization

/// What the callbacks of one running server share.
final class Engine: Sendable {
  let configuration: ServerConfiguration
  let handler: any RequestHandler
  let log: @Sendable (String) -> Void
  let activeRequests = Atomic(0)
  let openConnections = Atomic(0)
  /// Whether the server is on its way down: every answer then closes its connection.
  let isDraining = Atomic(false)
  private let connections = Mutex(Connections())

  private struct Connections {
    var open: [ObjectIdentifier: Connection] = [:]
    /// The most that were open at a time since `takePeak()`.
    var peak = 0

    mutating func takePeak() -> Int {
      defer { peak = open.count }
      return peak
    }
  }

  init(
    configuration: ServerConfiguration,
    handler: any RequestHandler,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.configuration = configuration
    self.handler = handler
    self.log = log
  }

  /// The moment by which a client that was just accepted, or answered, must have sent a request line.
  func idleDeadline(isFirst: Bool) -> Moment {
    let timeout = isFirst ? configuration.headerTimeout : configuration.idleTimeout
    return MonotonicClock.now + timeout.nanoseconds
  }

  func add(_ connection: Connection) {
    openConnections.add(1, ordering: .relaxed)
    connections.withLock { connections in
      connections.open[ObjectIdentifier(connection)] = connection
      connections.peak = max(connections.peak, connections.open.count)
    }
  }

  func remove(_ connection: Connection) {
    openConnections.subtract(1, ordering: .relaxed)
    _ = connections.withLock { $0.open.removeValue(forKey: ObjectIdentifier(connection)) }
  }

  /// Gives free memory back to the system where a burst of connections is over.
  ///
  /// - Returns: whether it was.
  @discardableResult
  func giveBackMemory(_ watch: inout BurstWatch) -> Bool {
    let (open, peak) = connections.withLock { ($0.open.count, $0.takePeak()) }
    guard watch.isOver(open: open, peak: peak) else { return false }
    microhttp_give_back_free_memory()
    return true
  }

  /// Cuts every connection whose deadline has passed.
  ///
  /// - Complexity: O(connections); some ten nanoseconds for each.
  func expireConnections() {
    let all = connections.withLock { Array($0.open.values) }
    let now = MonotonicClock.now
    for connection in all {
      connection.expire(at: now, grace: configuration.lingerTimeout.nanoseconds + 1_000_000_000)
    }
  }

  /// Ends every connection's socket, so that blocked handlers see their clients gone.
  func shutDownConnections() {
    for connection in connections.withLock({ Array($0.open.values) }) { connection.shutDown() }
  }
}
