// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// A limit of memory that the system may have put on this process.
public enum ResourceLimit: Sendable, CaseIterable {
  /// Of all addresses (RLIMIT_AS).
  case addresses
  /// Of private memory that can be written (RLIMIT_DATA).
  case data

  /// Whether there is any of these limits now.
  public static var isAnySet: Bool { allCases.contains { $0.current != nil } }

  /// The limit in bytes, as it is now; nil where there is none.
  public var current: Int? {
    let resource = self == .addresses ? RLIMIT_AS : RLIMIT_DATA
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return nil }
    // The imported RLIM_INFINITY is -1, which is no rlim_t.
    return limit.rlim_cur == rlim_t.max ? nil : Int(clamping: limit.rlim_cur)
  }
}
