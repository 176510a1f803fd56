// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// An HTTP/1.1 server: one thread per connection, streamed request bodies, absolute deadlines.
///
/// Handlers block on their connection's thread, so that a slow request delays no other. The
/// protocol is libmicrohttpd's; refusals of ambiguous framing, deadlines and the orderly stop are
/// added here.
///
/// ```swift
/// let server = HTTPServer(configuration: ServerConfiguration(), handler: application) { print($0) }
/// try server.start()
/// print("listening on port \(server.port)")
/// // ... until a signal arrives:
/// server.stop(drainWithin: .seconds(30))
/// ```
public final class HTTPServer: Sendable {
  private struct Running: ~Copyable {
    let daemon: OpaquePointer
    let socket: ListeningSocket
    let sweeper: DeadlineSweeper
    let engine: Unmanaged<Engine>
    /// Texts that the library points to.
    let texts: [UnsafeMutablePointer<CChar>]

    consuming func stop() {
      MHD_stop_daemon(daemon)
      socket.close()
      sweeper.stop()
      for text in texts { free(text) }
      engine.release()
    }
  }

  private struct State: ~Copyable {
    var isNew = true
    var running: Running?
  }

  private let engine: Engine
  private let startLog = StartLog()
  private let boundPort = Atomic(0)
  private let state = Mutex(State())

  /// Makes a server; `start()` makes it listen.
  ///
  /// - Parameters:
  ///   - handler: the application.
  ///   - log: takes one line at a time, from any thread.
  public init(
    configuration: ServerConfiguration,
    handler: any RequestHandler,
    log: @escaping @Sendable (String) -> Void
  ) {
    let startLog = startLog
    engine = Engine(configuration: configuration, handler: handler) { line in
      startLog.append(line)
      log(line)
    }
  }

  deinit { stop(drainWithin: .zero) }

  /// The TCP port that is listened on; 0 before the start and for a Unix socket.
  public var port: Int { boundPort.load(ordering: .relaxed) }

  /// The requests between their request line and the end of their answer.
  public var activeRequests: Int { engine.activeRequests.load(ordering: .relaxed) }

  /// The connections that are open.
  public var openConnections: Int { engine.openConnections.load(ordering: .relaxed) }

  /// Starts to listen; returns as soon as clients can connect.
  ///
  /// Raises this process's limit of open files as far as the connections need and the system lets.
  ///
  /// - Throws: `ServerError` when the configuration, the address or the TLS identity is at fault.
  public func start() throws(ServerError) {
    let result = state.withLock { state -> Result<Void, ServerError> in
      guard state.isNew else { return .failure(.alreadyStarted) }
      do throws(ServerError) {
        state.running = try run()
        state.isNew = false
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Stops: takes no more clients, lets the requests under way finish, then closes everything.
  ///
  /// Answers given while stopping close their connections. Requests that are not over in time lose
  /// their connection, and `Connection.isClientGone` turns true for them. Returns when no thread of
  /// the server's is left, so a handler must not call it. A second call does nothing.
  public func stop(drainWithin limit: Duration) {
    let running = state.withLock { state -> Running? in
      state.isNew = false
      return state.running.take()
    }
    guard let running else { return }
    engine.isDraining.store(true, ordering: .sequentiallyConsistent)
    // The library leaves the listening socket open, with clients waiting in its backlog for good.
    _ = MHD_quiesce_daemon(running.daemon)
    running.socket.refuseClients()
    waitForRequests(until: MonotonicClock.now + max(limit, .zero).nanoseconds)
    engine.shutDownConnections()
    running.stop()
  }

  /// Waits until there has been no request for a moment: some may be on their way to a thread.
  private func waitForRequests(until deadline: Moment) {
    var quietSince: Moment?
    while true {
      let now = MonotonicClock.now
      if now >= deadline { return }
      if engine.activeRequests.load(ordering: .sequentiallyConsistent) > 0 {
        quietSince = nil
      } else if now - (quietSince ?? now) >= 20_000_000 {
        return
      } else if quietSince == nil {
        quietSince = now
      }
      usleep(2000)
    }
  }

  // MARK: Starting

  private func run() throws(ServerError) -> Running {
    let configuration = engine.configuration
    try configuration.validate()
    Self.confineMalloc()
    let limit = Self.raiseFileLimit(for: configuration.maximumConnections)
    if limit < configuration.maximumConnections {
      engine.log("The limit of open files allows \(limit) connections only.")
    }
    let socket = try ListeningSocket(configuration)
    guard let sweeper = DeadlineSweeper(engine) else {
      socket.close()
      throw .cannotStart(reason: String(cString: strerror(errno)))
    }
    let identity = configuration.tls
    let texts = [identity?.privateKeyPEM, identity?.certificatePEM].compactMap { $0 }
      .compactMap { strdup($0) }
    let retained = Unmanaged.passRetained(engine)
    let settings = microhttp_settings(
      listen_fd: socket.descriptor,
      connection_memory: configuration.connectionMemory,
      connection_limit: UInt32(limit),
      thread_stack: configuration.threadStackBytes,
      tls_key: texts.first.map { UnsafePointer($0) },
      tls_certificate: texts.last.map { UnsafePointer($0) }
    )
    let callbacks = microhttp_callbacks(
      log: receiveLogMessage,
      target: receiveTarget,
      handle: receiveRequest,
      completed: receiveCompletion,
      connection: receiveConnectionNotice,
      cls: retained.toOpaque()
    )
    startLog.begin()
    let daemon = microhttp_start(settings, callbacks)
    let reasons = startLog.end()
    guard let daemon else {
      socket.close()
      sweeper.stop()
      for text in texts { free(text) }
      retained.release()
      throw .cannotStart(reason: reasons.joined(separator: " "))
    }
    boundPort.store(socket.port, ordering: .relaxed)
    return Running(
      daemon: daemon,
      socket: socket,
      sweeper: sweeper,
      engine: retained,
      texts: texts
    )
  }

  /// Leaves memory to the application, whose reckoning does not see what malloc keeps of it.
  ///
  /// Threads that allocate at the same time get arenas of their own, of 64 MiB of addresses, up to
  /// eight for each core, whenever it happens: also after a limit was looked at. One for each core
  /// served a connection's thread no slower on two cores, and they are there soon after the start.
  ///
  /// Free memory is kept up to twice the largest block that was ever freed, at most 64 MiB. That
  /// makes large requests faster, by a third for JSON, and so it ends only under a limit.
  private static func confineMalloc() {
    var arenas = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    if let addresses = ResourceLimit.addresses.current {
      arenas = min(arenas, max(1, addresses >> 30))
    }
    microhttp_limit_arenas(Int32(clamping: arenas))
    if ResourceLimit.isAnySet { microhttp_limit_free_memory(1 << 20) }
  }

  /// Raises the limit of open files as far as needed and possible.
  ///
  /// - Returns: the number of connections it leaves room for, at most `connections`.
  private static func raiseFileLimit(for connections: Int) -> Int {
    // Beside the connections: files, the application's sockets, the library's own descriptors.
    let reserve = 64
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return connections
    }
    let wanted = rlim_t(connections + reserve)
    if limit.rlim_cur < wanted {
      limit.rlim_cur = min(wanted, limit.rlim_max)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let room = limit.rlim_cur >= wanted ? connections : max(Int(limit.rlim_cur) - reserve, 1)
    return min(connections, room)
  }
}

/// Keeps what the library logs while it starts, which is all it says about a failure.
private final class StartLog: Sendable {
  private let lines = Mutex<[String]?>(nil)

  func begin() { lines.withLock { $0 = [] } }

  func append(_ line: String) { lines.withLock { $0?.append(line) } }

  func end() -> [String] {
    lines.withLock { lines in
      defer { lines = nil }
      return lines ?? []
    }
  }
}
