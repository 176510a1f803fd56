// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// Band solvers that are at rest, for the next request of the same specification.
///
/// To prepare one takes as long as to solve a small matrix. What a solver returns does not depend on
/// what it solved before. At most 48 are kept, which hold some hundred kilobytes each.
final class SolverCache: Sendable {
  private static let maximumSpecifications = 2
  private static let maximumPerSpecification = 3

  private let solvers = Sharded<[MaskSpecification: [BandSolver]]>(count: 8, [:])

  /// A solver that no one else uses.
  func take(_ layout: MaskLayout) -> BandSolver {
    let idle = solvers.withLock { $0[layout.specification]?.popLast() }
    guard let idle else { return BandSolver(layout: layout) }
    idle.turn(to: layout)
    return idle
  }

  /// Takes back a solver.
  func put(_ solver: BandSolver) {
    let specification = solver.layout.specification
    solvers.withLock { solvers in
      if solvers[specification] == nil, solvers.count >= Self.maximumSpecifications {
        solvers.removeAll()
      }
      if solvers[specification, default: []].count < Self.maximumPerSpecification {
        solvers[specification, default: []].append(solver)
      }
    }
  }
}
