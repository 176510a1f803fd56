// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Synchronization

/// Standard error, as a log must take it: a line that cannot be written is lost, and no one waits.
///
/// On a full disk, or with the reader gone, a write fails. With a reader that does not read any more,
/// a pipe fills and a write would wait for ever, with the request that is being logged.
enum StandardError {
  private struct State {
    var lost = 0
  }

  private static let state = Mutex(State())
  /// What a reader that lags behind is given; after it, nothing, until it reads again.
  private static let patience: Int32 = 100

  /// The lines that were lost since the last one that was not.
  static var lostLines: Int { state.withLock { $0.lost } }

  /// Writes a line, whose end is added here.
  static func write(line: [UInt8]) {
    state.withLock { state in
      guard isWritable(within: state.lost == 0 ? patience : 0) else {
        state.lost += 1
        return
      }
      var text = line
      text.append(UInt8(ascii: "\n"))
      // One call a line, so that lines of several processes do not mix.
      let written = text.withUnsafeBytes {
        Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count)
      }
      state.lost = written == text.count ? 0 : state.lost + 1
    }
  }

  private static func isWritable(within milliseconds: Int32) -> Bool {
    var file = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    return poll(&file, 1, milliseconds) > 0
  }
}
