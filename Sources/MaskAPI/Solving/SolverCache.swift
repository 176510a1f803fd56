// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// Band solvers that are at rest, for the next request of the same specification.
///
/// To prepare one takes as long as to solve a small matrix. What a solver returns does not depend on
/// what it solved before. At most 48 are kept, which hold some hundred kilobytes each.
final class SolverCache: Sendable {
  private static let maximumPerSpecification = 3
  private static let maximum = 6

  /// Few enough to be searched faster than a specification is hashed.
  private let idle = Sharded<[BandSolver]>(count: 8, [])

  /// A solver that no one else uses.
  func take(_ layout: MaskLayout) -> BandSolver {
    let solver = idle.withLock { idle -> BandSolver? in
      let index = idle.lastIndex { $0.layout.specification == layout.specification }
      return index.map { idle.remove(at: $0) }
    }
    guard let solver else { return BandSolver(layout: layout) }
    solver.turn(to: layout)
    return solver
  }

  /// Takes back a solver; the one that has been at rest for longest makes room for it.
  func put(_ solver: BandSolver) {
    let specification = solver.layout.specification
    idle.withLock { idle in
      let same = idle.count { $0.layout.specification == specification }
      guard same < Self.maximumPerSpecification else { return }
      if idle.count == Self.maximum { idle.removeFirst() }
      idle.append(solver)
    }
  }
}
