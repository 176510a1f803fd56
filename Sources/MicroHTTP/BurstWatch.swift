// SPDX-License-Identifier: GPL-3.0-or-later

/// Tells when a burst of connections is over, so that the memory it took can be given back.
///
/// malloc keeps what many threads have freed in between blocks that live on, and would keep it for
/// good. A few clients are no burst: their next requests want the memory again.
struct BurstWatch {
  /// The connections, open at a time, that make a burst.
  static let size = 64
  /// The looks in a row that must see few of them.
  static let patience = 3

  private var peak = 0
  private var quietLooks = 0

  /// Takes a look.
  ///
  /// - Parameters:
  ///   - open: the connections that are open now.
  ///   - peak: the most that were at a time since the last look.
  /// - Returns: true once for each burst, when less than a quarter of its connections are left.
  mutating func isOver(open: Int, peak latest: Int) -> Bool {
    peak = max(peak, latest)
    guard peak >= Self.size, open < peak / 4 else {
      quietLooks = 0
      return false
    }
    quietLooks += 1
    guard quietLooks == Self.patience else { return false }
    self = BurstWatch()
    return true
  }
}
