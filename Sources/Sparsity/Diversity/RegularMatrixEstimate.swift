// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The number of m x m matrices of zeros and ones with line sums n, by an asymptotic formula.
///
/// Rows and columns that had nothing to do with each other would give C(m, n)^(2 m) / C(m^2, m n)
/// matrices; the true number is e^(-1/2 + o(1)) times that. With x = 1 / m and w = m / (n (m - n))
/// the exponent goes on as x f_1(w) + x^2 f_2(w) + ..., f_k a polynomial of degree k. The f_k below
/// are fits to exact counts that turned out rational: for fixed n the expansion in x was
/// extrapolated from 30 counts up to m = 196 to 12 digits and more, and five values of n gave each
/// polynomial, more than f_1 to f_3 need.
///
/// Source: the leading term is a theorem of E. R. Canfield, B. D. McKay, "Asymptotic enumeration
/// of dense 0-1 matrices with equal row sums and equal column sums", Electron. J. Combin. 12 (2005)
/// R29; the f_k are ours, measured and not proven.
struct RegularMatrixEstimate {
  let m: Int
  let n: Int

  init(n: Int, m: Int) {
    precondition(n >= 1 && n < m)
    self.m = m
    self.n = min(n, m - n)
  }

  /// The binary logarithm of the estimate.
  var log2: Double {
    let x = 1 / Double(m)
    let w = Double(m) / (Double(n) * Double(m - n))
    let f1 = 1.0 / 2 - w / 6
    let f2 = 7.0 / 12 - w * (1.0 / 3 - w / 12)
    let f3 = 17.0 / 12 - w * (11.0 / 6 - w * (1 - w * 13 / 60))
    let f4 = 373.0 / 60 - w * (38.0 / 3 - w * (57.0 / 5 - w * (26.0 / 5 - w * 119 / 120)))
    let exponent = -0.5 + x * (f1 + x * (f2 + x * (f3 + x * f4)))
    return 2 * Double(m) * binomialCoefficient(m, n).log2
      - binomialCoefficient(m * m, m * n).log2 + exponent / log(2)
  }

  /// The relative error of the count: 40 / m^5.
  ///
  /// Measured: against every exact count with 12 <= m <= 66 that takes seconds, and 11:22, 12:24 and
  /// 8:32, the error times m^5 is at most 30, and it tends to some 34 at n = m / 2. Added to it is
  /// what doubles lose.
  var relativeError: Double {
    let order = 1 / Double(m)
    return 40 * order * order * order * order * order + 1e-11
  }
}
