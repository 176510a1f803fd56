// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt

/// An exact fraction: the arithmetic of the oracles.
struct Rational: Equatable, Comparable, CustomStringConvertible {
  var numerator: BigInt
  var denominator: BigInt

  init(_ numerator: BigInt, _ denominator: BigInt = 1) {
    precondition(denominator != 0)
    let divisor = numerator.greatestCommonDivisor(with: denominator)
    let sign: BigInt = denominator < 0 ? -1 : 1
    self.numerator = divisor == 0 ? 0 : sign * numerator / divisor
    self.denominator = divisor == 0 ? 1 : sign * denominator / divisor
  }

  /// The exact value of a finite double.
  init(_ value: Double) {
    let magnitude = BigInt(
      sign: value < 0 ? .minus : .plus,
      magnitude: BigUInt(abs(value.significandInteger))
    )
    let exponent = value.significandExponent
    self.init(
      exponent >= 0 ? magnitude << exponent : magnitude,
      exponent >= 0 ? 1 : BigInt(1) << -exponent
    )
  }

  static func + (a: Rational, b: Rational) -> Rational {
    Rational(
      a.numerator * b.denominator + b.numerator * a.denominator,
      a.denominator * b.denominator
    )
  }
  static func - (a: Rational, b: Rational) -> Rational {
    Rational(
      a.numerator * b.denominator - b.numerator * a.denominator,
      a.denominator * b.denominator
    )
  }
  static func * (a: Rational, b: Rational) -> Rational {
    Rational(a.numerator * b.numerator, a.denominator * b.denominator)
  }
  static func / (a: Rational, b: Rational) -> Rational {
    Rational(a.numerator * b.denominator, a.denominator * b.numerator)
  }
  static func < (a: Rational, b: Rational) -> Bool {
    a.numerator * b.denominator < b.numerator * a.denominator
  }

  /// The nearest double, or one next to it.
  var double: Double {
    guard numerator != 0 else { return 0 }
    // A quotient of at least 64 bits, truncated.
    let shift = 64 + denominator.bitWidth - numerator.bitWidth
    let scaled = shift >= 0 ? (numerator.magnitude << shift) : (numerator.magnitude >> -shift)
    let quotient = Double(scaled / denominator.magnitude)
    let magnitude = Double(sign: .plus, exponent: -shift, significand: quotient)
    return numerator < 0 ? -magnitude : magnitude
  }

  var description: String { "\(numerator)/\(denominator)" }
}

extension Double {
  fileprivate var significandInteger: Int64 {
    let fraction = Int64(significandBitPattern)
    return exponentBitPattern == 0 ? fraction : fraction | 1 << 52
  }
  fileprivate var significandExponent: Int { Int(Swift.max(1, exponentBitPattern)) - 1075 }
}

/// The optimal design and its variance, from the definition, in fractions.
struct ExactDesign {
  var probabilities: [Rational]
  var variance: Rational

  /// Water-filling: the largest entries are kept while they would have probability 1 or more.
  static func minimumVariance(_ entries: [Double], n: Int) -> ExactDesign {
    let magnitudes = entries.map { Rational(abs($0)) }
    var probabilities = magnitudes.map { $0.numerator == 0 ? Rational(0) : Rational(1) }
    var rest = magnitudes.indices.filter { magnitudes[$0].numerator != 0 }
    var draws = n
    guard rest.count > n else {
      return ExactDesign(probabilities: probabilities, variance: Rational(0))
    }
    rest.sort { magnitudes[$0] > magnitudes[$1] }
    var sum = rest.reduce(Rational(0)) { $0 + magnitudes[$1] }
    while let first = rest.first, Rational(BigInt(draws)) * magnitudes[first] >= sum {
      sum = sum - magnitudes[first]
      rest.removeFirst()
      draws -= 1
    }
    var variance = Rational(0)
    if draws > 0, !rest.isEmpty {
      for index in rest {
        probabilities[index] = Rational(BigInt(draws)) * magnitudes[index] / sum
        variance = variance - magnitudes[index] * magnitudes[index]
      }
      variance = variance + sum * sum / Rational(BigInt(draws))
    }
    return ExactDesign(probabilities: probabilities, variance: variance)
  }

  /// Two draws without replacement (one for n = 1), each in proportion to what is left.
  static func sequential(_ entries: [Double], n: Int) -> ExactDesign {
    let magnitudes = entries.map { Rational(abs($0)) }
    let sum = magnitudes.reduce(Rational(0), +)
    guard magnitudes.filter({ $0.numerator != 0 }).count > n else {
      return minimumVariance(entries, n: n)
    }
    let probabilities = magnitudes.indices.map { i in
      var probability = magnitudes[i] / sum
      if n == 2 {
        for j in magnitudes.indices where j != i {
          probability =
            probability + magnitudes[j] / sum * magnitudes[i] / (sum - magnitudes[j])
        }
      }
      return probability
    }
    var variance = Rational(0)
    for (magnitude, probability) in zip(magnitudes, probabilities) where magnitude.numerator != 0 {
      variance = variance + magnitude * magnitude * (Rational(1) / probability - Rational(1))
    }
    return ExactDesign(probabilities: probabilities, variance: variance)
  }
}
