// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Synchronization

/// The rest of a large body, read from a plain socket by the connection's own thread.
///
/// libmicrohttpd reads a body in pieces of half the memory that a connection has, and clears all of
/// that memory after each request: what large bodies would gain by more of it, small requests would
/// lose. Its count of the body is wrong after this, so the connection must end with the answer.
struct DirectBody: ~Copyable {
  /// For receivers without room of their own; a JSON body of 12 MB took as long with 1 MiB.
  private static let pieceSize = 1 << 18
  /// The bodies that are read so at a time: their memory is no one's reckoning.
  static let maximumCount = 8
  private static let count = Atomic(0)

  /// The bodies that are being read so now.
  static var currentCount: Int { count.load(ordering: .relaxed) }

  private let socket: Int32
  /// For receivers that have no room of their own.
  private var memory: UnsafeMutableRawPointer?

  /// Prepares for reading; nil when memory may be short or enough others are being read.
  init?(of socket: Int32) {
    // Under a limit, the application may have reckoned with every byte that is left.
    if ResourceLimit.isAnySet { return nil }
    guard Self.count.add(1, ordering: .relaxed).newValue <= Self.maximumCount else {
      Self.count.subtract(1, ordering: .relaxed)
      return nil
    }
    self.socket = socket
  }

  deinit {
    free(memory)
    Self.count.subtract(1, ordering: .relaxed)
  }

  /// Waits for the next bytes, at most `limit`, which are valid until the next call.
  ///
  /// - Parameter room: where to put them, if the receiver has said so.
  /// - Returns: nil when no more will come: the client has gone, a deadline has cut the socket, or
  ///   there is no memory.
  mutating func next(
    upTo limit: Int,
    into room: UnsafeMutableRawBufferPointer?
  ) -> UnsafeRawBufferPointer? {
    guard let target = room ?? ownRoom() else { return nil }
    while true {
      let count = recv(socket, target.baseAddress, min(limit, target.count), 0)
      if count > 0 { return UnsafeRawBufferPointer(rebasing: target[..<count]) }
      guard count < 0 else { return nil }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        // Without a limit: deadlines end the wait by shutting the socket down.
        guard poll(&entry, 1, -1) > 0 || errno == EINTR else { return nil }
      default: return nil
      }
    }
  }

  private mutating func ownRoom() -> UnsafeMutableRawBufferPointer? {
    if memory == nil { memory = aligned_alloc(64, Self.pieceSize) }
    return memory.map { UnsafeMutableRawBufferPointer(start: $0, count: Self.pieceSize) }
  }
}
