// SPDX-License-Identifier: GPL-3.0-or-later

/// An N:M pattern: at most (or exactly) `n` of each group of `m` entries are kept.
public struct Pattern: Sendable, Hashable, CustomStringConvertible {
  /// The number of entries KEPT in each group.
  public let n: Int
  /// The group size, which is also the side of a transposable tile.
  public let m: Int

  /// The largest group size for a structure.
  ///
  /// A transposable tile costs O(m³), so its side is bounded; a plain group is only sorted.
  public static func maximumGroupSize(for structure: Structure) -> Int {
    structure == .transposable ? 64 : 1024
  }

  /// Makes a pattern that keeps `n` of `m`.
  ///
  /// - Throws: `PatternError` unless `1 <= n <= m`.
  public init(n: Int, m: Int) throws(PatternError) {
    guard m >= 1 else { throw .groupSizeTooSmall(m: m) }
    guard n >= 1 else { throw .keptCountTooSmall(n: n) }
    guard n <= m else { throw .keptCountTooLarge(n: n, m: m) }
    self.n = n
    self.m = m
  }

  public var description: String { "\(n):\(m)" }
}

/// Why two numbers are not an N:M pattern, or not one of a structure.
public enum PatternError: Error, Sendable, Hashable {
  case groupSizeTooSmall(m: Int)
  case groupSizeTooLarge(m: Int, structure: Structure)
  case keptCountTooSmall(n: Int)
  case keptCountTooLarge(n: Int, m: Int)
}

/// The direction, or directions, in which a mask keeps n of m.
public enum Structure: String, Sendable, Hashable, CaseIterable {
  /// Every m x m tile keeps n in each of its rows and each of its columns.
  case transposable
  /// Every group of m consecutive entries of a row keeps n.
  case row
  /// Every group of m consecutive entries of a column keeps n.
  case column
}

/// Whether n is a quota or a limit.
public enum Constraint: String, Sendable, Hashable, CaseIterable {
  case exactly
  case atMost = "at_most"
}
