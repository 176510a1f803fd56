// SPDX-License-Identifier: GPL-3.0-or-later

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The lognormal law of a tensor's magnitudes: the first of the two passes of
/// `stochasticThreshold`.
///
/// Source: arXiv:2006.08173, which observes that neural gradients are close to lognormal.
public struct LognormalFit: Sendable, Equatable {
  /// The number of entries.
  public private(set) var count = 0
  /// The number of entries that are exactly zero, which the law leaves out.
  public private(set) var zeros = 0

  private var logarithms = ExactSum()
  private var squares = ExactSum()

  /// The fit to nothing.
  public init() {}

  /// Takes in the rows of a band.
  ///
  /// - Parameter firstRow: where the band starts in its matrix, for the error.
  /// - Throws: `GradientError.notFinite`, naming the first such entry.
  /// - Complexity: O(`band.rows` x `band.columns`).
  public mutating func add(_ band: MatrixView, firstRow: Int) throws(GradientError) {
    let columns = band.columns
    let elements = UnsafeMutablePointer<Double>.allocate(capacity: max(1, columns))
    defer { elements.deallocate() }
    for row in 0..<band.rows {
      try band.readFinite(
        row: row,
        columns: 0..<columns,
        into: elements,
        firstRow: firstRow
      )
      var sum = 0.0
      var sumOfSquares = 0.0
      for column in 0..<columns {
        guard elements[column] != 0 else {
          zeros += 1
          continue
        }
        let logarithm = log(abs(elements[column]))
        sum += logarithm
        sumOfSquares += logarithm * logarithm
      }
      logarithms.add(sum)
      squares.add(sumOfSquares)
    }
    count += band.rows * columns
  }

  /// Takes in another part of the same tensor: to the last bit the same in any order.
  public mutating func add(_ other: LognormalFit) {
    count += other.count
    zeros += other.zeros
    logarithms.add(other.logarithms)
    squares.add(other.squares)
  }

  /// The mean of ln |x| over the entries that are not zero, or zero if there are none.
  public var mean: Double {
    count > zeros ? logarithms.value / Double(count - zeros) : 0
  }

  /// The standard deviation of ln |x| over the entries that are not zero (dividing by their
  /// number), or zero if there are none.
  public var deviation: Double {
    guard count > zeros else { return 0 }
    let mean = mean
    return max(0, squares.value / Double(count - zeros) - mean * mean).squareRoot()
  }

  /// The fraction of entries that are exactly zero.
  public var zeroFraction: Double { count > 0 ? Double(zeros) / Double(count) : 0 }
}
