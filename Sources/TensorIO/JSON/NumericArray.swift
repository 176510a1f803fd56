// SPDX-License-Identifier: GPL-3.0-or-later

/// A JSON array whose leaves are numbers, or booleans, all at one depth, held contiguously.
///
/// An array that is not of that form is recorded, not guessed: `irregularity` says where it first
/// departs from it, and `values` then ends there.
public struct NumericArray: Sendable, Hashable {
  /// What the leaves are.
  public enum Leaf: Sendable, Hashable {
    /// There is no leaf: some extent is zero.
    case none
    case number
    /// False is held as 0, true as 1.
    case boolean
  }

  /// Where and how an array first departs from a rectangular array of one kind of leaf.
  public struct Irregularity: Sendable, Hashable {
    /// What is wrong at the path.
    public enum Fault: Sendable, Hashable {
      /// The array there has `count` entries; the first array of its depth has `expected`.
      case ragged(count: Int, expected: Int)
      /// An array stands among numbers or booleans.
      case arrayAmongLeaves
      /// A number or boolean stands among arrays, or above the depth of other leaves.
      case leafAmongArrays
      /// `found` (a kind with its article, as "a string") stands where `expected` do.
      case wrongKind(found: String, expected: String)
    }

    /// The indices that lead to the offender, outermost first.
    public let path: [Int]
    public let fault: Fault

    /// The path as a JSON pointer relative to the array, as `/1/3`.
    public var pointer: String { NumericArray.pointer(path) }

    /// One clause for the user, without a full stop.
    public var message: String {
      switch fault {
      case .ragged(let count, let expected) where path.count == 1:
        let entries = count == 1 ? "entry" : "entries"
        return "row \(path[0]) has \(count) \(entries), row 0 has \(expected)"
      case .ragged(let count, let expected):
        let entries = count == 1 ? "entry" : "entries"
        return "the array at \(pointer) has \(count) \(entries), the first of its depth \(expected)"
      case .arrayAmongLeaves:
        return "the entry at \(pointer) is an array among values that are not"
      case .leafAmongArrays:
        return "the entry at \(pointer) is not an array as those beside it are"
      case .wrongKind(let found, let expected):
        return "the entry at \(pointer) is \(found), not \(expected)"
      }
    }
  }

  /// An integer that its Double does not hold exactly.
  struct LargeInteger: Sendable, Hashable {
    let index: Int
    let value: ExactInteger
  }

  /// The leaves in row-major order; an overflowing number is an infinity.
  public let values: [Double]
  /// The extents, outermost first: `[]` is [0] and `[[],[]]` is [2, 0].
  public let shape: [Int]
  public let leaf: Leaf
  /// The first departure from a rectangular array, or nil.
  public let irregularity: Irregularity?
  /// The flat index of the first number beyond the range of Double, or nil.
  public let firstOverflow: Int?
  /// The integers that Double cannot hold, by rising index.
  let largeIntegers: [LargeInteger]

  init(
    values: [Double],
    shape: [Int],
    leaf: Leaf,
    irregularity: Irregularity? = nil,
    firstOverflow: Int? = nil,
    largeIntegers: [LargeInteger] = []
  ) {
    self.values = values
    self.shape = shape
    self.leaf = leaf
    self.irregularity = irregularity
    self.firstOverflow = firstOverflow
    self.largeIntegers = largeIntegers
  }

  /// The indices, outermost first, of the leaf at a flat row-major index.
  ///
  /// - Complexity: O(dimensions).
  public func path(of index: Int) -> [Int] {
    TensorIndex.path(of: index, in: shape)
  }

  /// The JSON pointer, relative to the array, of the leaf at a flat index, as `/1/3`.
  public func pointer(of index: Int) -> String {
    NumericArray.pointer(path(of: index))
  }

  /// The leaf at a flat index as an integer, exactly; nil if it is not whole or does not fit.
  ///
  /// - Complexity: O(log of the number of integers beyond 2^53).
  public func integer(at index: Int) -> Int? {
    if let large = largeInteger(at: index) {
      return large.int64.flatMap { Int(exactly: $0) }
    }
    return Int(exactly: values[index])
  }

  func largeInteger(at index: Int) -> ExactInteger? {
    if largeIntegers.isEmpty { return nil }
    var range = largeIntegers.indices
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      if largeIntegers[middle].index < index {
        range = (middle + 1)..<range.upperBound
      } else {
        range = range.lowerBound..<middle
      }
    }
    guard range.lowerBound < largeIntegers.count else { return nil }
    let candidate = largeIntegers[range.lowerBound]
    return candidate.index == index ? candidate.value : nil
  }

  private static func pointer(_ path: [Int]) -> String {
    path.map { "/\($0)" }.joined()
  }
}

/// Flat row-major indices and the paths that they stand for.
public enum TensorIndex {
  /// The indices, outermost first, of the element at a flat row-major index.
  ///
  /// - Complexity: O(dimensions).
  public static func path(of index: Int, in shape: [Int]) -> [Int] {
    var path = [Int](repeating: 0, count: shape.count)
    var rest = index
    for axis in shape.indices.reversed() where shape[axis] > 0 {
      (rest, path[axis]) = rest.quotientAndRemainder(dividingBy: shape[axis])
    }
    return path
  }

  /// The number of elements of a shape; nil if it does not fit an `Int`, or an extent is negative.
  ///
  /// Extents of zero do not hide an overflow of the others.
  public static func elementCount(of shape: [Int]) -> Int? {
    var count = 1
    var isEmpty = false
    for extent in shape {
      if extent < 0 { return nil }
      if extent == 0 {
        isEmpty = true
        continue
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      count = product
    }
    return isEmpty ? 0 : count
  }
}
