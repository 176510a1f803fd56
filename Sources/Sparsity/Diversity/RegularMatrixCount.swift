// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt

/// The exact number of m x m matrices of zeros and ones whose rows and columns all sum to n.
///
/// The count is the coefficient of (x_1 ... x_m)^n in e_n(x_1, ..., x_m)^m, e_n being the
/// elementary symmetric polynomial: each factor is a row, each of its terms a choice of n columns.
/// Let every x_i run through the q-th roots of 1, q = n + 1. The mean of
/// e_n(x)^m / (x_1 ... x_m)^n keeps the monomials whose exponents are all n modulo q, so at least
/// n; as they add up to n m, all are n, and the mean is the count. Two symmetries shrink the sum:
/// a term depends only on how many x_i take each root, and turning all x_i by one root changes
/// nothing. That leaves about C(m + n, n) / (n + 1) terms (1 of them at n = 1, 80,000 at 8:16),
/// which are summed modulo enough primes and put together by the Chinese remainder theorem.
///
/// Source: the extraction by evaluation is the technique of B. D. McKay, "Applications of a
/// technique for labelled enumeration", Congr. Numer. 40 (1983) 207-221; the roots of 1 are ours.
struct RegularMatrixCount {
  let m: Int
  /// The line sum, at most m / 2: zeros and ones trade places.
  let n: Int

  init(n: Int, m: Int) {
    precondition(n >= 0 && n <= m && m >= 1)
    self.m = m
    self.n = min(n, m - n)
  }

  /// The number of terms times the number of primes: what the count costs, in units of some 0.1 us.
  var cost: Double {
    guard n > 0 else { return 0 }
    var terms = 1.0
    for k in 1...n { terms *= Double(m + k) / Double(k) }
    return terms / Double(n + 1) * Double(primeCount)
  }

  /// The primes that it takes: the count is below C(m, n)^(m - 1), the last row being forced.
  private var primeCount: Int {
    let bits = binomialCoefficient(m, n).bitWidth * (m - 1)
    return bits / 61 + 1
  }

  /// The count.
  ///
  /// - Complexity: O(C(m + n, n) log m) operations for each of O(m^2 / 61) primes.
  func value() -> BigUInt {
    guard n > 0 else { return 1 }
    let order = UInt64(n + 1)
    var result: BigUInt = 0
    var modulus: BigUInt = 1
    for prime in MontgomeryField.primes(count: primeCount, oneModulo: order) {
      let field = MontgomeryField(prime: prime)
      let residue = RootSum(n: n, m: m, field: field).mean()
      // Garner: the next digit in the mixed radix of the primes so far.
      let known = UInt64(result % BigUInt(prime))
      let step = field.inverse(field.encode(UInt64(modulus % BigUInt(prime))))
      let difference = residue >= known ? residue - known : residue + prime - known
      let digit = field.multiply(step, difference)
      result += modulus * BigUInt(digit)
      modulus *= BigUInt(prime)
    }
    return result
  }
}

/// The mean of e_n(x)^m / (x_1 ... x_m)^n over all x_i in the roots of 1, modulo one prime.
private final class RootSum {
  private let n: Int
  private let m: Int
  private let field: MontgomeryField
  /// Root j is the j-th power of a primitive (n + 1)-th root of 1.
  private let roots: [UInt64]
  /// Factor [j][k] = root_j^k / k!: the weight of k variables at root j, since x^-n = x.
  private let weights: [[UInt64]]
  private let inverses: [UInt64]
  /// Row [k] = the coefficients of (1 + root_n t)^k, highest first.
  private let lastPowers: [[UInt64]]
  private var total: UInt64 = 0
  private var largest = 0

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
    var power = [field.one] + Array(repeating: 0, count: n)
    var powers = [Array(power.reversed())]
    for _ in 1...m {
      for degree in (1...n).reversed() {
        power[degree] = field.add(power[degree], field.multiply(roots[n], power[degree - 1]))
      }
      powers.append(power.reversed())
    }
    lastPowers = powers
  }

  /// The mean, as an ordinary residue.
  func mean() -> UInt64 {
    // Turn the roots so that root 0 has the most variables. A term with several such roots is met
    // once for each, so it counts by the inverse of their number; n + 1 turns make up the whole.
    let width = n + 1
    let polynomials = UnsafeMutablePointer<UInt64>.allocate(capacity: width * (width + 1))
    defer { polynomials.deallocate() }
    for index in 0..<width { polynomials[index] = index == 0 ? field.one : 0 }
    total = 0
    for count in 1...m {
      multiply(polynomials, by: roots[0])
      guard count * width >= m else { continue }
      largest = count
      polynomials.advanced(by: width).update(from: polynomials, count: width)
      place(
        at: 1,
        left: m - count,
        weight: weights[0][count],
        ties: 1,
        polynomial: polynomials + width
      )
    }
    var scale = field.encode(UInt64(width))
    for count in 1...m { scale = field.multiply(scale, field.encode(UInt64(count))) }
    let assignments = field.power(field.encode(UInt64(width)), UInt64(m))
    scale = field.multiply(scale, field.inverse(assignments))
    return field.decode(field.multiply(total, scale))
  }

  /// Sums over the ways to put `left` variables on roots `root` ... n.
  private func place(
    at root: Int,
    left: Int,
    weight: UInt64,
    ties: Int,
    polynomial: UnsafeMutablePointer<UInt64>
  ) {
    let width = n + 1
    if root == n {
      var coefficient: UInt64 = 0
      lastPowers[left].withUnsafeBufferPointer { power in
        for degree in 0..<width {
          coefficient = field.add(coefficient, field.multiply(polynomial[degree], power[degree]))
        }
      }
      let count = left == largest ? ties + 1 : ties
      let term = field.multiply(
        field.power(coefficient, UInt64(m)),
        field.multiply(weight, weights[n][left])
      )
      total = field.add(total, field.multiply(term, inverses[count]))
      return
    }
    // What is left must fit on the roots that remain.
    let least = max(0, left - largest * (n - root))
    let most = min(left, largest)
    guard least <= most else { return }
    let next = polynomial + width
    next.update(from: polynomial, count: width)
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
}
