// SPDX-License-Identifier: GPL-3.0-or-later

/// Fills a tile's mask up towards n in every row and column, from whatever it keeps already.
final class TileCompletion {
  private let n: Int
  private let m: Int
  private var order: [UInt16] = []
  private var rowRoom: [Int]
  private var columnRoom: [Int]

  init(pattern: Pattern) {
    n = pattern.n
    m = pattern.m
    rowRoom = [Int](repeating: 0, count: pattern.m)
    columnRoom = rowRoom
    order.reserveCapacity(pattern.m * pattern.m)
  }

  /// Takes stock of what the tile keeps.
  func begin(_ tile: Tile) {
    for index in 0..<m {
      rowRoom[index] = n
      columnRoom[index] = n
    }
    for row in 0..<m {
      for column in 0..<m where tile.kept[row] >> UInt64(column) & 1 == 1 {
        rowRoom[row] -= 1
        columnRoom[column] -= 1
      }
    }
  }

  /// Keeps entries from the largest down, each while its row and column have room.
  ///
  /// - Complexity: O(m² log m).
  func fill(_ tile: Tile) {
    order.removeAll(keepingCapacity: true)
    for index in 0..<(m * m)
    where tile.kept[index / m] >> UInt64(index % m) & 1 == 0
      && rowRoom[index / m] > 0 && columnRoom[index % m] > 0
    {
      order.append(UInt16(index))
    }
    let keys = tile.keys
    order.sort { first, second in
      let (a, b) = (keys[Int(first)], keys[Int(second)])
      return a == b ? first < second : a > b
    }
    for index in order {
      let (row, column) = (Int(index) / m, Int(index) % m)
      if rowRoom[row] > 0 && columnRoom[column] > 0 { keep(tile, row, column) }
    }
  }

  /// Completes a filled mask to exactly n by swaps, the one of largest gain each time.
  ///
  /// After `fill` each entry at a short row i and a short column j is kept. A swap keeps (i, b) and
  /// (a, j) and gives up (a, b). One always exists: were no (a, b) with (a, j) and (i, b) free kept,
  /// its rows and columns, i and j among them, would all be short, and `fill` would have kept (a, b).
  ///
  /// - Complexity: O(m²) for each short row, short column and swap.
  func complete(_ tile: Tile) {
    while true {
      var best: (gain: Double, i: Int, j: Int, a: Int, b: Int)?
      for i in 0..<m where rowRoom[i] > 0 {
        for j in 0..<m where columnRoom[j] > 0 {
          for a in 0..<m where tile.kept[a] >> UInt64(j) & 1 == 0 {
            var candidates = tile.kept[a] & ~tile.kept[i]
            while candidates != 0 {
              let b = candidates.trailingZeroBitCount
              candidates &= candidates &- 1
              let gain =
                tile.weights[i * m + b] + tile.weights[a * m + j] - tile.weights[a * m + b]
              if best.map({ gain > $0.gain }) ?? true { best = (gain, i, j, a, b) }
            }
          }
        }
      }
      guard let swap = best else { return }
      tile.kept[swap.a] ^= 1 << UInt64(swap.b)
      rowRoom[swap.a] += 1
      columnRoom[swap.b] += 1
      keep(tile, swap.i, swap.b)
      keep(tile, swap.a, swap.j)
    }
  }

  private func keep(_ tile: Tile, _ row: Int, _ column: Int) {
    tile.kept[row] |= 1 << UInt64(column)
    rowRoom[row] -= 1
    columnRoom[column] -= 1
  }
}
