// SPDX-License-Identifier: GPL-3.0-or-later

/// A non-zero number as `digits` x 10^`exponent`.
struct Decimal: Hashable {
  var digits: UInt64
  var exponent: Int
}

/// The shortest decimal numbers that round to a given binary one, and of those the nearest.
///
/// R. Giulietti, "The Schubfach way to render doubles" (2020): three products with one power of
/// ten, each rounded to odd, place the number and the ends of its rounding interval in units of a
/// quarter; at most one multiple of ten, or else two integers, need then be looked at.
///
/// By hand because it is several times faster than a `description` a number, and gradients are
/// written as text; the table is the one that reading needs.
enum ShortestDecimal {
  /// The decimal of a finite Double's magnitude, which must not be zero.
  @inline(__always)
  static func of(_ value: Double) -> Decimal {
    let field = value.bitPattern & (1 << 52 - 1)
    let biased = Int(value.bitPattern >> 52) & 0x7ff
    let interval = Interval(
      field: field,
      biasedExponent: biased,
      mantissaBits: 52,
      exponentOffset: 1075
    )
    guard interval.integer == 0 else { return Decimal(digits: interval.integer, exponent: 0) }

    let row = 2 * (-interval.decimalExponent - PowersOfFive.smallest)
    let high = PowersOfFive.roundedUp[row]
    let low = PowersOfFive.roundedUp[row + 1]
    return interval.shortest { factor in
      let upper = high.multipliedFullWidth(by: factor)
      let (middle, carry) = upper.low.addingReportingOverflow(
        low.multipliedFullWidth(by: factor).high
      )
      return upper.high &+ (carry ? 1 : 0) | (middle > 1 ? 1 : 0)
    }
  }

  /// The decimal of a finite Float's magnitude, which must not be zero.
  @inline(__always)
  static func of(_ value: Float) -> Decimal {
    let field = UInt64(value.bitPattern & (1 << 23 - 1))
    let biased = Int(value.bitPattern >> 23) & 0xff
    let interval = Interval(
      field: field,
      biasedExponent: biased,
      mantissaBits: 23,
      exponentOffset: 150
    )
    guard interval.integer == 0 else { return Decimal(digits: interval.integer, exponent: 0) }

    // 64 bits of the power, rounded up, are enough for 24 bits of the number.
    let row = 2 * (-interval.decimalExponent - PowersOfFive.smallest)
    let power = PowersOfFive.words[row] &+ (PowersOfFive.words[row + 1] == 0 ? 0 : 1)
    return interval.shortest { factor in
      let product = power.multipliedFullWidth(by: factor)
      return product.high | (product.low >> 32 > 1 ? 1 : 0)
    }
  }

  /// A number c x 2^q with the interval of those that round to it.
  private struct Interval {
    /// The number itself where it is whole and needs no search; else 0.
    var integer: UInt64 = 0
    /// 4c, and both ends of the interval on its scale, all shifted for the product.
    var center: UInt64 = 0
    var lower: UInt64 = 0
    var upper: UInt64 = 0
    var decimalExponent = 0
    /// 0 if the ends belong to the interval (c is even), else 1.
    var isOpen: UInt64 = 0

    @inline(__always)
    init(field: UInt64, biasedExponent: Int, mantissaBits: Int, exponentOffset: Int) {
      let c = biasedExponent == 0 ? field : field | 1 << UInt64(mantissaBits)
      let q = max(biasedExponent, 1) - exponentOffset
      if q <= 0, q >= -mantissaBits, c & (1 << UInt64(-q) - 1) == 0 {
        integer = c >> UInt64(-q)
        return
      }
      // The gap below a power of two is half as wide.
      let isNarrow = field == 0 && biasedExponent > 1
      // log10 of 2, and of 3/4, in units of 2^-22; log2 of 10 in units of 2^-19.
      decimalExponent = (q * 1_262_611 - (isNarrow ? 524_031 : 0)) >> 22
      let shift = UInt64(q + (-decimalExponent * 1_741_647) >> 19 + 1)
      center = (4 * c) << shift
      lower = (4 * c - (isNarrow ? 1 : 2)) << shift
      upper = (4 * c + 2) << shift
      isOpen = c & 1
    }

    @inline(__always)
    func shortest(_ scaled: (UInt64) -> UInt64) -> Decimal {
      let center = scaled(center)
      let lower = scaled(lower) + isOpen
      let upper = scaled(upper) - isOpen
      let floor = center / 4
      if floor >= 10 {
        let tens = floor / 10
        let isBelow = lower <= 40 * tens
        let isAbove = 40 * tens + 40 <= upper
        if isBelow != isAbove {
          return Decimal(digits: tens + (isAbove ? 1 : 0), exponent: decimalExponent + 1)
        }
      }
      let isBelow = lower <= 4 * floor
      let isAbove = 4 * floor + 4 <= upper
      let roundsUp: Bool
      if isBelow != isAbove {
        roundsUp = isAbove
      } else {
        let middle = 4 * floor + 2
        roundsUp = center > middle || (center == middle && floor & 1 == 1)
      }
      return Decimal(digits: floor + (roundsUp ? 1 : 0), exponent: decimalExponent)
    }
  }
}
