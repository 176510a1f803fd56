// SPDX-License-Identifier: GPL-3.0-or-later

/// The largest number of non-zeros in any group of a matrix, for group sizes of powers of two.
///
/// A matrix fits n:m, at most n non-zeros in each group of m, where that number is at most n. Rows are
/// taken as they come. A stack of matrices whose entries lie interleaved, as the weights of a
/// convolution, is counted together: each of its matrices alone has no more than the number.
public struct PatternCensus: Sendable {
  /// The group sizes that are counted, each twice the one before.
  public static let groupSizes = [2, 4, 8, 16, 32]

  public let rows: Int
  public let columns: Int
  /// The number of entries that lie at each row and column, one of each matrix.
  public let positions: Int
  /// The entries that are not zero, so far.
  public private(set) var nonZeros = 0
  private var rowsSeen = 0

  /// The most in a group along a row, for each group size that divides the columns.
  private var mostAlong: [UInt8]
  /// The most in a group down a column, for each group size that divides the rows.
  private var mostDown: [UInt8]
  /// The counts of half a group down each column, of which the other half has not come.
  private var halves: [[UInt8]?]

  /// Begins a census of `positions` matrices of `rows` x `columns`.
  public init(rows: Int, columns: Int, positions: Int = 1) {
    precondition(rows >= 0 && columns >= 0 && positions >= 0)
    self.rows = rows
    self.columns = columns
    self.positions = positions
    func levels(_ length: Int) -> Int { Self.groupSizes.prefix { length % $0 == 0 }.count }
    mostAlong = [UInt8](repeating: 0, count: levels(columns))
    mostDown = [UInt8](repeating: 0, count: levels(rows))
    halves = [[UInt8]?](repeating: nil, count: levels(rows))
  }

  /// Takes the next row.
  ///
  /// - Parameter row: `columns * positions` entries, the positions of a column beside each other: 1 where
  ///   an entry is not zero, else 0.
  /// - Complexity: O(entries).
  public mutating func append(_ row: [UInt8]) {
    precondition(row.count == columns * positions && rowsSeen < rows)
    rowsSeen += 1
    nonZeros += row.reduce(0) { $0 + Int($1) }
    var counts = row
    for level in mostAlong.indices {
      counts = pairs(counts)
      mostAlong[level] = max(mostAlong[level], counts.max() ?? 0)
    }
    counts = row
    for level in mostDown.indices {
      guard let half = halves[level] else {
        halves[level] = counts
        return
      }
      halves[level] = nil
      for index in counts.indices { counts[index] &+= half[index] }
      mostDown[level] = max(mostDown[level], counts.max() ?? 0)
    }
  }

  /// The sums of the counts of two columns each.
  private func pairs(_ counts: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: counts.count / 2) { target, used in
      if positions == 1 {
        for index in 0..<(counts.count / 2) {
          target[index] = counts[2 * index] &+ counts[2 * index + 1]
        }
      } else if positions > 0 {
        for pair in 0..<(counts.count / (2 * positions)) {
          for position in 0..<positions {
            let first = 2 * pair * positions + position
            target[pair * positions + position] = counts[first] &+ counts[first + positions]
          }
        }
      }
      used = counts.count / 2
    }
  }

  /// The most non-zeros in any group of each size, once all rows have come.
  ///
  /// - Returns: pairs in the order of the sizes; sizes that do not divide the sides are left out.
  public func most(_ structure: Structure) -> [(groupSize: Int, count: Int)] {
    precondition(rowsSeen == rows)
    let along = zip(Self.groupSizes, mostAlong).map { ($0, Int($1)) }
    let down = zip(Self.groupSizes, mostDown).map { ($0, Int($1)) }
    return switch structure {
    case .row: along
    case .column: down
    case .transposable: zip(along, down).map { ($0.0, max($0.1, $1.1)) }
    }
  }

  /// The tightest pattern that the matrix fits: of those whose n is a power of two below m the one of the
  /// least n/m, and of these the one of the smallest m, which implies the others.
  ///
  /// Nil where it fits none, or has no entries.
  public func tightest(_ structure: Structure) -> Pattern? {
    guard rows > 0, columns > 0, positions > 0 else { return nil }
    var best: Pattern?
    for (m, count) in most(structure) {
      var n = 1
      while n < count { n *= 2 }
      guard n < m, best.map({ n * $0.m < $0.n * m }) ?? true else { continue }
      best = try? Pattern(n: n, m: m)
    }
    return best
  }
}
