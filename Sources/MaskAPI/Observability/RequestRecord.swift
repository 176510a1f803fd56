// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import Synchronization

/// The number of requests that are not over.
final class RequestCount: Sendable {
  let value = Atomic<Int>(0)
}

/// What is known of a request for logs and metrics, gathered while it is answered.
///
/// It travels with the answer, and with it what was set aside for the request: both end together.
final class RequestRecord: Sendable {
  /// What a mask request turned out to be.
  struct Work: Sendable {
    var specification: MaskSpecification?
    var rows = 0
    var columns = 0
    /// The time that solver threads spent.
    var busy = Duration.zero
    /// The time that the request waited for them.
    var waited = Duration.zero
    var isCertificateBroken = false
  }

  let id: String
  /// The template of the path that was matched, for labels; never a client's text.
  let route: String
  let traceParent: String?
  let start = ContinuousClock.now
  private let ticket = Mutex<Admission.Ticket?>(nil)
  private let state = Mutex<Work?>(nil)
  private let count: RequestCount

  init(id: String, route: String, traceParent: String?, count: RequestCount) {
    self.id = id
    self.route = route
    self.traceParent = traceParent
    self.count = count
    count.value.add(1, ordering: .relaxed)
  }

  deinit { count.value.subtract(1, ordering: .relaxed) }

  var work: Work? { state.withLock { $0 } }

  func record(_ work: Work) { state.withLock { $0 = work } }

  /// Keeps the request's place until the record ends.
  func hold(_ ticket: Admission.Ticket) { self.ticket.withLock { $0 = ticket } }

  /// Sets memory aside for the request, if it has been admitted.
  func reserve(_ bytes: Int) throws(Problem) {
    try ticket.withLock { $0 }?.reserve(bytes)
  }
}
