// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Moments as nanoseconds of a clock that never jumps.
typealias Moment = Int64

enum MonotonicClock {
  /// A moment that never comes.
  static let never = Moment.max

  static var now: Moment {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Moment(time.tv_sec) * 1_000_000_000 + Moment(time.tv_nsec)
  }

  /// The time that `bytes` take at `rate` bytes per second, in nanoseconds.
  static func time(for bytes: Int, at rate: Int) -> Moment {
    Moment(min(Double(bytes) / Double(rate) * 1e9, 1e18))
  }
}

extension Duration {
  /// This duration in nanoseconds, at most 31 years.
  var nanoseconds: Moment {
    let (seconds, attoseconds) = components
    return min(seconds, 1_000_000_000) * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
