// SPDX-License-Identifier: GPL-3.0-or-later

/// The mean of e_n(x)^m / (x_1 ... x_m)^n over all x_i in the (n + 1)-th roots of 1, modulo one
/// prime.
///
/// Variables are placed root by root. The polynomial whose coefficients are the elementary
/// symmetric polynomials of those placed so far, the product of the 1 + x_i t, is kept at each
/// level; the last two roots come from a table.
struct RootSum: ~Copyable {
  private let n: Int
  private let m: Int
  private let field: MontgomeryField
  /// Root j is the j-th power of a primitive (n + 1)-th root of 1.
  private let roots: [UInt64]
  /// [j][k] = root_j^k / k!: the weight of k variables at root j, since x^-n = x.
  private let weights: [[UInt64]]
  private let inverses: [UInt64]
  /// At (a (m + 1) + b) (n + 1): the coefficients of (1 + root_(n-1) t)^a (1 + root_n t)^b, the
  /// highest first.
  private let pairs: UnsafeMutablePointer<UInt64>
  /// The polynomials of the levels, each cut off after t^n.
  private let polynomials: UnsafeMutablePointer<UInt64>
  private var total: UInt64 = 0
  private var largest = 0

  /// - Precondition: 1 <= n < m, and n + 1 divides the field's prime less one.
  init(n: Int, m: Int, field: MontgomeryField) {
    self.n = n
    self.m = m
    self.field = field
    let root = field.primitiveRoot(order: UInt64(n + 1))
    var roots = [field.one]
    for index in 0..<n { roots.append(field.multiply(roots[index], root)) }
    self.roots = roots
    let inverses = (0...m).map { $0 == 0 ? field.one : field.inverse(field.encode(UInt64($0))) }
    self.inverses = inverses
    weights = roots.map { root in
      var row = [field.one]
      for count in 1...m {
        row.append(field.multiply(row[count - 1], field.multiply(root, inverses[count])))
      }
      return row
    }
    let width = n + 1
    pairs = .allocate(capacity: (m + 1) * (m + 1) * width)
    polynomials = .allocate(capacity: width * (width + 1))
    var first = [field.one] + Array(repeating: 0, count: n)
    for a in 0...m {
      var both = first
      for b in 0...m {
        let row = pairs + (a * (m + 1) + b) * width
        for degree in 0...n { row[degree] = both[n - degree] }
        RootSum.multiply(&both, by: roots[n], field)
      }
      RootSum.multiply(&first, by: roots[n - 1], field)
    }
  }

  deinit {
    pairs.deallocate()
    polynomials.deallocate()
  }

  /// The mean, as an ordinary residue.
  mutating func mean() -> UInt64 {
    // Turn the roots so that root 0 has the most variables. A term with several such roots is met
    // once for each, so it counts by the inverse of their number; n + 1 turns make up the whole.
    let width = n + 1
    total = 0
    if n == 1 {
      // The last two roots are all there are.
      for count in (m + 1) / 2...m {
        largest = count
        finish(count, m - count, weight: field.one, ties: 0, polynomial: nil)
      }
    } else {
      for index in 0..<width { polynomials[index] = index == 0 ? field.one : 0 }
      for count in 1...m {
        multiply(polynomials, by: roots[0])
        guard count * width >= m else { continue }
        largest = count
        place(
          at: 1,
          left: m - count,
          weight: weights[0][count],
          ties: 1,
          polynomial: polynomials
        )
      }
    }
    var scale = field.encode(UInt64(width))
    for count in 1...m { scale = field.multiply(scale, field.encode(UInt64(count))) }
    let assignments = field.power(field.encode(UInt64(width)), UInt64(m))
    scale = field.multiply(scale, field.inverse(assignments))
    return field.decode(field.multiply(total, scale))
  }

  /// Sums over the ways to put `left` variables on roots `root` ... n.
  private mutating func place(
    at root: Int,
    left: Int,
    weight: UInt64,
    ties: Int,
    polynomial: UnsafeMutablePointer<UInt64>
  ) {
    // What is left must fit on the roots that remain.
    let least = max(0, left - largest * (n - root))
    let most = min(left, largest)
    guard least <= most else { return }
    if root == n - 1 {
      for count in least...most {
        finish(count, left - count, weight: weight, ties: ties, polynomial: polynomial)
      }
      return
    }
    let next = polynomial + (n + 1)
    next.update(from: polynomial, count: n + 1)
    for _ in 0..<least { multiply(next, by: roots[root]) }
    for count in least...most {
      if count > least { multiply(next, by: roots[root]) }
      place(
        at: root + 1,
        left: left - count,
        weight: field.multiply(weight, weights[root][count]),
        ties: count == largest ? ties + 1 : ties,
        polynomial: next
      )
    }
  }

  /// Adds the term with `a` and `b` variables on the last two roots.
  @inline(__always)
  private mutating func finish(
    _ a: Int,
    _ b: Int,
    weight: UInt64,
    ties: Int,
    polynomial: UnsafeMutablePointer<UInt64>?
  ) {
    let pair = pairs + (a * (m + 1) + b) * (n + 1)
    var coefficient = pair[0]
    if let polynomial {
      // Up to 64 products of numbers below 2^58 are below 2^122 < prime x 2^64: reduced once.
      var high: UInt64 = 0
      var low: UInt64 = 0
      for degree in 0...n {
        let product = polynomial[degree].multipliedFullWidth(by: pair[degree])
        let (sum, carry) = low.addingReportingOverflow(product.low)
        low = sum
        high &+= product.high &+ (carry ? 1 : 0)
      }
      coefficient = field.reduce(high: high, low: low)
    }
    let count = ties + (a == largest ? 1 : 0) + (b == largest ? 1 : 0)
    var term = field.power(coefficient, UInt64(m))
    term = field.multiply(term, field.multiply(weights[n - 1][a], weights[n][b]))
    term = field.multiply(term, field.multiply(weight, inverses[count]))
    total = field.add(total, term)
  }

  /// Multiplies a polynomial in t, cut off after t^n, by 1 + root t.
  @inline(__always)
  private func multiply(_ polynomial: UnsafeMutablePointer<UInt64>, by root: UInt64) {
    for degree in stride(from: n, to: 0, by: -1) {
      polynomial[degree] = field.add(
        polynomial[degree],
        field.multiply(root, polynomial[degree - 1])
      )
    }
  }

  private static func multiply(
    _ polynomial: inout [UInt64],
    by root: UInt64,
    _ field: MontgomeryField
  ) {
    for degree in stride(from: polynomial.count - 1, to: 0, by: -1) {
      polynomial[degree] = field.add(
        polynomial[degree],
        field.multiply(root, polynomial[degree - 1])
      )
    }
  }
}
