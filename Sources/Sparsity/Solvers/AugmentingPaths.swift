// SPDX-License-Identifier: GPL-3.0-or-later

/// Successive shortest augmenting paths in one tile: stage 3 of the exact method.
///
/// Starts from any potentials, keeps every entry of positive reduced cost and mends the counts of
/// rows and columns along shortest paths, with the usual dual update, until nothing is out of
/// balance. Complementary slackness holds throughout, so the mask is then optimal. (Ahuja, Magnanti,
/// Orlin, "Network Flows", 1993, section 9.7, with several sources and sinks.)
///
/// The nodes are m rows, m columns and, under `atMost`, one hub of potential 0. A row that keeps
/// fewer than n sends the rest to the hub at the cost of its potential, and a column receives its
/// rest from there.
final class AugmentingPaths<Scalar: TileScalar> {
  private let n: Int
  private let m: Int
  private let constraint: Constraint
  private let nodeCount: Int

  /// Potentials of rows and columns. Set before `run`; under `atMost` none may be negative.
  let u: UnsafeMutablePointer<Scalar>
  let v: UnsafeMutablePointer<Scalar>

  /// What each node has to send (rows) or still lacks (columns, counted negative).
  private let supply: UnsafeMutablePointer<Int>
  /// The units that a row sends to the hub, or a column gets from it.
  private let slack: UnsafeMutablePointer<Int>
  private let distance: UnsafeMutablePointer<Scalar>
  private let previous: UnsafeMutablePointer<Int>
  private let isDone: UnsafeMutablePointer<Bool>

  private var hub: Int { 2 * m }

  init(pattern: Pattern, constraint: Constraint) {
    n = pattern.n
    m = pattern.m
    self.constraint = constraint
    nodeCount = 2 * pattern.m + (constraint == .atMost ? 1 : 0)
    u = .allocate(capacity: m)
    v = .allocate(capacity: m)
    supply = .allocate(capacity: nodeCount)
    slack = .allocate(capacity: nodeCount)
    distance = .allocate(capacity: nodeCount)
    previous = .allocate(capacity: nodeCount)
    isDone = .allocate(capacity: nodeCount)
    u.initialize(repeating: 0, count: m)
    v.initialize(repeating: 0, count: m)
    supply.initialize(repeating: 0, count: nodeCount)
    slack.initialize(repeating: 0, count: nodeCount)
    distance.initialize(repeating: 0, count: nodeCount)
    previous.initialize(repeating: 0, count: nodeCount)
    isDone.initialize(repeating: false, count: nodeCount)
  }

  deinit {
    u.deallocate()
    v.deallocate()
    supply.deallocate()
    slack.deallocate()
    distance.deallocate()
    previous.deallocate()
    isDone.deallocate()
  }

  /// Finds the best mask.
  ///
  /// - Parameters:
  ///   - weights: m x m magnitudes, row-major.
  ///   - kept: m words of the mask, written.
  /// - Returns: false if no path was found, which cannot happen while n <= m.
  /// - Complexity: O(m²) for each unit out of balance after the potentials were read.
  func run(_ weights: UnsafePointer<Scalar>, into kept: UnsafeMutablePointer<UInt64>) -> Bool {
    read(weights, into: kept)
    fillTies(weights, in: kept)
    while (0..<nodeCount).contains(where: { supply[$0] > 0 }) {
      guard let sink = findPath(weights, kept) else { return false }
      updatePotentials(upTo: distance[sink])
      augment(to: sink, in: kept)
    }
    return true
  }

  /// Keeps what the potentials say, and counts what is out of balance.
  private func read(_ weights: UnsafePointer<Scalar>, into kept: UnsafeMutablePointer<UInt64>) {
    for node in 0..<nodeCount {
      supply[node] = node < m ? n : -n
      slack[node] = 0
    }
    for row in 0..<m {
      var bits: UInt64 = 0
      for column in 0..<m where weights[row * m + column] - u[row] - v[column] > 0 {
        bits |= 1 << UInt64(column)
        supply[m + column] += 1
      }
      kept[row] = bits
      supply[row] -= bits.nonzeroBitCount
    }
    guard constraint == .atMost else { return }
    supply[hub] = 0
    for index in 0..<m {
      if u[index] == 0, supply[index] > 0 { moveToHub(index, supply[index]) }
      if v[index] == 0, supply[m + index] < 0 { moveToHub(m + index, supply[m + index]) }
    }
  }

  private func moveToHub(_ node: Int, _ units: Int) {
    slack[node] += abs(units)
    supply[node] -= units
    supply[hub] += units
  }

  /// Keeps entries of reduced cost zero where both their row and their column lack one.
  private func fillTies(_ weights: UnsafePointer<Scalar>, in kept: UnsafeMutablePointer<UInt64>) {
    for row in 0..<m where supply[row] > 0 {
      for column in 0..<m where supply[row] > 0 && supply[m + column] < 0 {
        let bit = UInt64(1) << UInt64(column)
        if kept[row] & bit == 0, weights[row * m + column] - u[row] - v[column] == 0 {
          kept[row] |= bit
          supply[row] -= 1
          supply[m + column] += 1
        }
      }
    }
  }

  /// Dijkstra from all nodes with supply to the nearest one that lacks something.
  ///
  /// - Returns: that node, with `distance` final for all nodes nearer than it.
  private func findPath(
    _ weights: UnsafePointer<Scalar>,
    _ kept: UnsafePointer<UInt64>
  ) -> Int? {
    for node in 0..<nodeCount {
      distance[node] = supply[node] > 0 ? 0 : Scalar.unreachable
      previous[node] = -1
      isDone[node] = false
    }
    while true {
      var node = -1
      var nearest = Scalar.unreachable
      for candidate in 0..<nodeCount where !isDone[candidate] && distance[candidate] < nearest {
        node = candidate
        nearest = distance[candidate]
      }
      guard node >= 0 else { return nil }
      if supply[node] < 0 { return node }
      isDone[node] = true
      if node < m {
        let bits = kept[node]
        for column in 0..<m where bits >> UInt64(column) & 1 == 0 {
          relax(m + column, from: node, u[node] + v[column] - weights[node * m + column])
        }
        if constraint == .atMost { relax(hub, from: node, u[node]) }
      } else if node < 2 * m {
        let column = node - m
        for row in 0..<m where kept[row] >> UInt64(column) & 1 == 1 {
          relax(row, from: node, weights[row * m + column] - u[row] - v[column])
        }
        if constraint == .atMost, slack[node] > 0 { relax(hub, from: node, 0) }
      } else {
        for index in 0..<m {
          if slack[index] > 0 { relax(index, from: node, 0) }
          relax(m + index, from: node, v[index])
        }
      }
    }
  }

  @inline(__always)
  private func relax(_ node: Int, from tail: Int, _ cost: Scalar) {
    guard !isDone[node] else { return }
    // Rounding can leave a reduced cost a little below zero.
    let length = distance[tail] + max(0, cost)
    if length < distance[node] {
      distance[node] = length
      previous[node] = tail
    }
  }

  private func updatePotentials(upTo limit: Scalar) {
    // Under `atMost` the hub's potential stays 0; otherwise any reference does.
    let reference = constraint == .atMost ? min(distance[hub], limit) : limit
    for index in 0..<m {
      u[index] += min(distance[index], limit) - reference
      v[index] -= min(distance[m + index], limit) - reference
      if constraint == .atMost {
        u[index] = max(0, u[index])
        v[index] = max(0, v[index])
      }
    }
  }

  private func augment(to sink: Int, in kept: UnsafeMutablePointer<UInt64>) {
    var head = sink
    supply[sink] += 1
    while previous[head] >= 0 {
      let tail = previous[head]
      switch (tail < m, head < m) {
      case (true, false) where head < 2 * m:
        kept[tail] |= 1 << UInt64(head - m)
      case (false, true) where tail < 2 * m:
        kept[head] &= ~(1 << UInt64(tail - m))
      case (true, false):
        slack[tail] += 1
      case (false, true):
        slack[head] -= 1
      default:
        // Between a column and the hub, one way or the other.
        if head == hub { slack[tail] -= 1 } else { slack[head] += 1 }
      }
      head = tail
    }
    supply[head] -= 1
  }
}
