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
/// Source: extraction by evaluation at roots of 1 is the technique of B. D. McKay, "Applications of
/// a technique for labelled enumeration", Congr. Numer. 40 (1983) 207-221.
struct RegularMatrixCount {
  let m: Int
  /// The line sum, at most m / 2: zeros and ones trade places.
  let n: Int

  init(n: Int, m: Int) {
    precondition(n >= 0 && n <= m && m >= 1)
    self.m = m
    self.n = min(n, m - n)
  }

  /// The number of terms times the number of primes: what the count costs, in units of some 50 ns.
  var cost: Double {
    guard n > 0 else { return 0 }
    var terms = 1.0
    for k in 1...n { terms *= Double(m + k) / Double(k) }
    return terms / Double(n + 1) * Double(primeCount)
  }

  /// The primes that it takes: the count is below C(m, n)^(m - 1), the last row being forced.
  private var primeCount: Int {
    let bits = binomialCoefficient(m, n).bitWidth * (m - 1)
    return bits / (MontgomeryField.primeBits - 1) + 1
  }

  /// The count.
  ///
  /// - Complexity: O(C(m + n, n) log m) operations for each of O(m^2) primes.
  func value() -> BigUInt {
    guard n > 0 else { return 1 }
    let order = UInt64(n + 1)
    var result: BigUInt = 0
    var modulus: BigUInt = 1
    for prime in MontgomeryField.primes(count: primeCount, oneModulo: order) {
      let field = MontgomeryField(prime: prime)
      var sum = RootSum(n: n, m: m, field: field)
      let residue = sum.mean()
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
