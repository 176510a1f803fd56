// SPDX-License-Identifier: GPL-3.0-or-later

/// Arithmetic modulo a prime below 2^58, on numbers in Montgomery form.
///
/// Source: P. L. Montgomery, "Modular multiplication without trial division", Math. Comp. 44
/// (1985) 519-521.
struct MontgomeryField: Sendable {
  let prime: UInt64
  /// The bits of the primes: few enough that a sum of 64 products can be reduced at once.
  static let primeBits = 58
  /// -1 / prime modulo 2^64.
  private let negativeInverse: UInt64
  /// 2^128 modulo prime.
  private let squaredRadix: UInt64
  /// 1 in Montgomery form.
  let one: UInt64

  /// - Precondition: `prime` is odd and below 2^58.
  init(prime: UInt64) {
    precondition(prime & 1 == 1 && prime >> UInt64(MontgomeryField.primeBits) == 0)
    self.prime = prime
    // Newton's iteration doubles the correct low bits: 3, 6, 12, 24, 48, 96.
    var inverse = prime
    for _ in 0..<5 { inverse = inverse &* (2 &- prime &* inverse) }
    negativeInverse = 0 &- inverse
    let radix = (UInt64.max % prime + 1) % prime
    one = radix
    squaredRadix = prime.dividingFullWidth(radix.multipliedFullWidth(by: radix)).remainder
  }

  @inline(__always)
  func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return reduce(high: product.high, low: product.low)
  }

  /// A 128-bit number below prime x 2^64, over 2^64.
  @inline(__always)
  func reduce(high: UInt64, low: UInt64) -> UInt64 {
    let correction = (low &* negativeInverse).multipliedFullWidth(by: prime).high
    // The low halves cancel; they carry exactly when the number's is not zero.
    let sum = high &+ correction &+ (low == 0 ? 0 : 1)
    return sum >= prime ? sum &- prime : sum
  }

  @inline(__always)
  func add(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let sum = a &+ b
    return sum >= prime ? sum &- prime : sum
  }

  func encode(_ value: UInt64) -> UInt64 { multiply(value % prime, squaredRadix) }

  func decode(_ value: UInt64) -> UInt64 { multiply(value, 1) }

  func power(_ base: UInt64, _ exponent: UInt64) -> UInt64 {
    var result = one
    var square = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = multiply(result, square) }
      square = multiply(square, square)
      rest >>= 1
    }
    return result
  }

  func inverse(_ value: UInt64) -> UInt64 { power(value, prime - 2) }

  /// An element whose powers are the `order` different roots of 1.
  ///
  /// - Precondition: `order` divides `prime` - 1.
  func primitiveRoot(order: UInt64) -> UInt64 {
    precondition((prime - 1).isMultiple(of: order))
    var candidate: UInt64 = 2
    while true {
      let root = power(encode(candidate), (prime - 1) / order)
      var element = root
      var actual: UInt64 = 1
      while element != one {
        element = multiply(element, root)
        actual += 1
      }
      if actual == order { return root }
      candidate += 1
    }
  }

  /// Whether a number below 2^58 is prime (Miller-Rabin, with bases that decide all of 64 bits).
  ///
  /// Source: the bases are the first twelve primes; J. Sorenson, J. Webster, Math. Comp. 86 (2017)
  /// 985-1003.
  static func isPrime(_ number: UInt64) -> Bool {
    let bases: [UInt64] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
    if number < 2 { return false }
    for base in bases where number.isMultiple(of: base) { return number == base }
    let field = MontgomeryField(prime: number)
    let minusOne = number - field.one
    let twos = (number - 1).trailingZeroBitCount
    return bases.allSatisfy { base in
      var power = field.power(field.encode(base), (number - 1) >> UInt64(twos))
      if power == field.one || power == minusOne { return true }
      for _ in 1..<twos {
        power = field.multiply(power, power)
        if power == minusOne { return true }
      }
      return false
    }
  }

  /// The largest primes below 2^58 that are 1 modulo `order`.
  static func primes(count: Int, oneModulo order: UInt64) -> [UInt64] {
    var found: [UInt64] = []
    let limit: UInt64 = 1 << UInt64(primeBits)
    var candidate = (limit - 2) / order * order + 1
    while found.count < count {
      if isPrime(candidate) { found.append(candidate) }
      candidate -= order
    }
    return found
  }
}
