// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Synchronization

/// Keeps the work that is under way within bounds: a number of requests, and an amount of memory.
///
/// Memory is that which was allowed here, and that which the system has left.
/// A request that would pass a bound is told to come back, at once; nothing queues for admission.
final class Admission: Sendable {
  // Not behind a lock: it would be taken four times in every request, by as many threads as there
  // are connections.
  private let requests = Atomic(0)
  private let bytes = Atomic(0)
  private let maximumRequests: Int
  private let maximumBytes: Int
  private let limits = MemoryLimits()

  init(maximumRequests: Int, maximumBytes: Int) {
    self.maximumRequests = maximumRequests
    self.maximumBytes = maximumBytes
  }

  /// The requests that are admitted now.
  var admittedRequests: Int { requests.load(ordering: .relaxed) }

  /// The memory that is set aside for them, in bytes.
  var reservedBytes: Int { bytes.load(ordering: .relaxed) }

  /// Admits a request.
  ///
  /// - Throws: 503 where as many as may be are at work, or the system has no memory left.
  func admit() throws(Problem) -> Ticket {
    guard requests.add(1, upTo: maximumRequests) != nil else {
      throw Self.busy("\(maximumRequests) requests are at work, which is the limit.")
    }
    let ticket = Ticket(self)
    try ticket.reserve(0)
    return ticket
  }

  /// The place of one request, until it is released.
  final class Ticket: Sendable {
    private let admission: Admission
    private let bytes = Atomic(0)

    fileprivate init(_ admission: Admission) { self.admission = admission }

    deinit {
      admission.requests.subtract(1, ordering: .relaxed)
      admission.bytes.subtract(bytes.load(ordering: .relaxed), ordering: .relaxed)
    }

    /// Sets memory aside, until the request is over.
    ///
    /// - Throws: 413 where it is more than there is altogether, 503 where it is more than is free.
    func reserve(_ count: Int) throws(Problem) {
      guard count <= admission.maximumBytes - bytes.load(ordering: .relaxed) else {
        throw Problem(
          .contentTooLarge,
          "The request needs more memory than the \(admission.maximumBytes) bytes that requests "
            + "may take together."
        )
      }
      let busy = "There is no memory left for the request at the moment."
      guard let taken = admission.bytes.add(count, upTo: admission.maximumBytes) else {
        throw Admission.busy(busy)
      }
      // As if none of what was set aside had been taken yet.
      guard admission.limits.hasRoom(for: taken) else {
        admission.bytes.subtract(count, ordering: .relaxed)
        throw Admission.busy(busy)
      }
      bytes.add(count, ordering: .relaxed)
    }
  }

  private static func busy(_ reason: String) -> Problem {
    Problem(.serviceUnavailable, reason + " Try again.", headers: [.retryAfter: "1"])
  }
}

extension Atomic<Int> {
  /// Adds, if the sum does not pass a bound, and returns it; it never does, not even for a moment.
  ///
  /// - Precondition: the value is within the bound.
  fileprivate borrowing func add(_ count: Int, upTo bound: Int) -> Int? {
    var value = load(ordering: .relaxed)
    while count <= bound - value {
      let attempt = weakCompareExchange(
        expected: value,
        desired: value + count,
        ordering: .relaxed
      )
      if attempt.exchanged { return value + count }
      value = attempt.original
    }
    return nil
  }
}
