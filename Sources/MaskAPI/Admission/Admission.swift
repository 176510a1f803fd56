// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Synchronization

/// Keeps the work that is under way within bounds: a number of requests, and an amount of memory.
///
/// Memory is that which was allowed here, and that which the system has left.
/// A request that would pass a bound is told to come back, at once; nothing queues for admission.
final class Admission: Sendable {
  private struct Load {
    var requests = 0
    var bytes = 0
  }

  private let maximumRequests: Int
  private let maximumBytes: Int
  private let limits = MemoryLimits()
  private let load = Mutex(Load())

  init(maximumRequests: Int, maximumBytes: Int) {
    self.maximumRequests = maximumRequests
    self.maximumBytes = maximumBytes
  }

  /// The requests that are admitted now.
  var admittedRequests: Int { load.withLock { $0.requests } }

  /// The memory that is set aside for them, in bytes.
  var reservedBytes: Int { load.withLock { $0.bytes } }

  /// Admits a request.
  ///
  /// - Throws: 503 where as many as may be are at work, or the system has no memory left.
  func admit() throws(Problem) -> Ticket {
    let isAdmitted = load.withLock { load in
      guard load.requests < maximumRequests else { return false }
      load.requests += 1
      return true
    }
    guard isAdmitted else {
      throw Self.busy("\(maximumRequests) requests are at work, which is the limit.")
    }
    let ticket = Ticket(self)
    try ticket.reserve(0)
    return ticket
  }

  /// The place of one request, until it is released.
  final class Ticket: Sendable {
    private let admission: Admission
    private let bytes = Mutex(0)

    fileprivate init(_ admission: Admission) { self.admission = admission }

    deinit {
      let bytes = bytes.withLock { $0 }
      admission.load.withLock { load in
        load.requests -= 1
        load.bytes -= bytes
      }
    }

    /// Sets memory aside, until the request is over.
    ///
    /// - Throws: 413 where it is more than there is altogether, 503 where it is more than is free.
    func reserve(_ count: Int) throws(Problem) {
      let own = bytes.withLock { $0 }
      guard count <= admission.maximumBytes - own else {
        throw Problem(
          .contentTooLarge,
          "The request needs more memory than the \(admission.maximumBytes) bytes that requests "
            + "may take together."
        )
      }
      let isFree = admission.load.withLock { load in
        guard count <= admission.maximumBytes - load.bytes else { return false }
        // As if none of what was set aside had been taken yet.
        guard admission.limits.hasRoom(for: load.bytes + count) else { return false }
        load.bytes += count
        return true
      }
      guard isFree else {
        throw Admission.busy("There is no memory left for the request at the moment.")
      }
      bytes.withLock { $0 += count }
    }
  }

  private static func busy(_ reason: String) -> Problem {
    Problem(.serviceUnavailable, reason + " Try again.", headers: [.retryAfter: "1"])
  }
}
