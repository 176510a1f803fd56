// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// A client's connection, as far as a handler may see it.
public final class Connection: Sendable {
  /// What a connection is waiting for.
  enum Phase {
    /// The next request line.
    case idle
    case header
    case body
    /// The application; the client cannot hurry it, so no deadline runs.
    case working
    case reply
    /// The end: the last answer is out, or none will come.
    case closing
  }

  private struct State {
    /// The socket; -1 once the library is about to close it.
    var socket: Int32
    var phase = Phase.idle
    var deadline: Moment
    var phaseThatExpired: Phase?
    var isStopped = false
    var reply = ReplyProgress()
  }

  /// What a client has to read of a reply to be given more time.
  private struct ReplyProgress {
    /// The bytes acknowledged when the time was last prolonged; -1 where that cannot be told.
    var acknowledged: Int64 = -1
    /// The bytes to be acknowledged from then on.
    var share: Int64 = 0
    var timeout: Moment = 0
  }

  /// The client's address: an IP number, or "unix".
  public let remoteAddress: String
  /// Whether the connection is encrypted.
  public let isSecure: Bool

  /// The header of the last request; of its connection's thread alone.
  let knownHeader = Mutex<KnownHeader?>(nil)

  private let state: Mutex<State>

  init(socket: Int32, remoteAddress: String, isSecure: Bool, deadline: Moment) {
    self.remoteAddress = remoteAddress
    self.isSecure = isSecure
    self.state = Mutex(State(socket: socket, deadline: deadline))
  }

  /// Whether the client has closed or half-closed the connection, or a deadline has cut it.
  ///
  /// Cheap (one system call), and safe from any thread at any time: while the handler blocks, or
  /// when the connection is long over.
  public var isClientGone: Bool {
    state.withLock { state in
      guard state.socket >= 0 else { return true }
      let hangUps = Int16(microhttp_poll_rdhup)
      var entry = pollfd(fd: state.socket, events: hangUps, revents: 0)
      guard poll(&entry, 1, 0) > 0 else { return false }
      return entry.revents & (hangUps | Int16(POLLHUP | POLLERR)) != 0
    }
  }

  // MARK: Deadlines

  func enter(_ phase: Phase, until deadline: Moment) {
    state.withLock { state in
      state.phase = phase
      state.deadline = deadline
    }
  }

  /// Waits for a reply to be read.
  ///
  /// What the library has sent is not known here, but TCP knows what has arrived. Where it does not
  /// (a Unix socket), the deadline grows with the size at once.
  func enterReply(of size: Int, timeout: Moment, rate: Int) {
    let now = MonotonicClock.now
    state.withLock { state in
      state.phase = .reply
      state.deadline = now + timeout
      let share = Int64(Double(rate) * Double(timeout) / 1e9)
      state.reply = ReplyProgress(acknowledged: -1, share: share, timeout: timeout)
      // A small one needs no second look.
      guard Int64(size) > share else { return }
      state.reply.acknowledged = microhttp_bytes_acknowledged(state.socket)
      if state.reply.acknowledged < 0 { state.deadline += MonotonicClock.time(for: size, at: rate) }
    }
  }

  /// The phase whose deadline has passed, if one has.
  var phaseThatExpired: Phase? { state.withLock { $0.phaseThatExpired } }

  /// Cuts the connection if its deadline has passed.
  ///
  /// The socket is shut down, not closed: that wakes the connection's thread, which tidies up. A
  /// header or body that is late loses only its reading side, so that an answer can still be sent.
  func expire(at now: Moment, grace: Moment) {
    state.withLock { state in
      guard state.socket >= 0, state.deadline <= now else { return }
      if state.phase == .reply, Self.hasProgress(&state) {
        state.deadline = now + state.reply.timeout
        return
      }
      let isFirst = state.phaseThatExpired == nil
      if isFirst { state.phaseThatExpired = state.phase }
      switch state.phase {
      case .header where isFirst && !isSecure, .body where isFirst && !isSecure:
        shutdown(state.socket, Int32(SHUT_RD))
        state.deadline = now + grace
      case .idle, .header, .body, .working, .reply, .closing:
        shutdown(state.socket, Int32(SHUT_RDWR))
        state.deadline = MonotonicClock.never
      }
    }
  }

  private static func hasProgress(_ state: inout State) -> Bool {
    guard state.reply.acknowledged >= 0 else { return false }
    let acknowledged = microhttp_bytes_acknowledged(state.socket)
    guard acknowledged - state.reply.acknowledged >= state.reply.share else { return false }
    state.reply.acknowledged = acknowledged
    return true
  }

  // MARK: The end

  /// Ends both directions, so that every wait on the socket returns.
  func shutDown() {
    state.withLock { state in
      state.isStopped = true
      if state.socket >= 0 { shutdown(state.socket, Int32(SHUT_RDWR)) }
    }
  }

  /// Whether `shutDown()` was called.
  var isStopped: Bool { state.withLock { $0.isStopped } }

  /// Forgets the socket, whose number may be another connection's from now on.
  func markClosed() {
    state.withLock { $0.socket = -1 }
  }
}
