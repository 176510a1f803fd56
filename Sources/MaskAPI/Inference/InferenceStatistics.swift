// SPDX-License-Identifier: GPL-3.0-or-later

import Synchronization

/// How many inference requests each model has had, and how long they took.
final class InferenceStatistics: Sendable {
  /// The requests of one model that ended in one way.
  struct Tally: Sendable {
    var count = 0
    var duration = Duration.zero
  }

  private struct Key: Hashable {
    let model: InferenceModel
    let succeeded: Bool
  }

  private let tallies = Mutex<[Key: Tally]>([:])

  /// Counts a request that is over.
  func add(_ model: InferenceModel, succeeded: Bool, _ duration: Duration) {
    tallies.withLock { tallies in
      tallies[Key(model: model, succeeded: succeeded), default: Tally()].count += 1
      tallies[Key(model: model, succeeded: succeeded), default: Tally()].duration += duration
    }
  }

  /// The requests of a model that succeeded, or failed.
  func tally(_ model: InferenceModel, succeeded: Bool) -> Tally {
    tallies.withLock { $0[Key(model: model, succeeded: succeeded)] ?? Tally() }
  }
}

extension Duration {
  /// The duration in nanoseconds.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
