// SPDX-License-Identifier: GPL-3.0-or-later

/// How a mask is found.
public enum MaskMethod: String, Sendable, Hashable, CaseIterable {
  /// The best mask there is, with a proof.
  case exact
  /// GLPK's out-of-kilter algorithm on quantised weights, one tile at a time.
  case minimumCostFlow = "min_cost_flow"
  /// Largest entries first, while their row and column have room.
  case greedy
  /// The entries that are among the n largest of both their row and their column.
  case twoApproximation = "two_approximation"
}

/// What becomes of the rows and columns beyond the last whole tile or group.
public enum Remainder: String, Sendable, Hashable, CaseIterable {
  /// A side that the group size does not divide is refused.
  case error
  /// Entries outside whole tiles or groups stay kept.
  case dense
}

/// Everything that decides a mask apart from the weights.
public struct MaskSpecification: Sendable, Hashable {
  public let pattern: Pattern
  public let structure: Structure
  public let constraint: Constraint
  public let method: MaskMethod
  public let remainder: Remainder

  /// Makes a specification.
  ///
  /// - Throws: `SpecificationError` where the group size is too large for the structure, or the
  ///   method does not exist for it.
  public init(
    pattern: Pattern,
    structure: Structure = .transposable,
    constraint: Constraint = .exactly,
    method: MaskMethod = .exact,
    remainder: Remainder = .error
  ) throws(SpecificationError) {
    guard pattern.m <= Pattern.maximumGroupSize(for: structure) else {
      throw .pattern(.groupSizeTooLarge(m: pattern.m, structure: structure))
    }
    guard structure == .transposable || method == .exact else {
      throw .methodNeedsTransposable(method)
    }
    self.pattern = pattern
    self.structure = structure
    self.constraint = constraint
    self.method = method
    self.remainder = remainder
  }
}

/// Why a specification cannot be met, whatever the weights.
public enum SpecificationError: Error, Sendable, Hashable {
  case pattern(PatternError)
  case methodNeedsTransposable(MaskMethod)
  /// The side has a length that the group size does not divide.
  case indivisible(side: Side, length: Int, m: Int)
}

/// A side of a matrix.
public enum Side: String, Sendable, Hashable {
  case rows
  case columns
}
