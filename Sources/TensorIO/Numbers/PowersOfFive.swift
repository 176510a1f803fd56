// SPDX-License-Identifier: GPL-3.0-or-later

/// The 128 leading bits of 5^q for every q that reading or writing a Double can need.
///
/// Made once, at first use, in some tens of microseconds; the rounding (down, but up for
/// -27 <= q < 0) is that of D. Lemire, "Number Parsing at a Gigabyte per Second", Software:
/// Practice and Experience 51 (2021), section 5, on which its proof rests.
enum PowersOfFive {
  static let smallest = -342
  static let largest = 324

  /// Pairs of a high and a low word, from q = `smallest` on.
  static let words: [UInt64] = {
    var words = [UInt64](repeating: 0, count: 2 * (largest - smallest + 1))
    func store(_ bits: (high: UInt64, low: UInt64), at q: Int) {
      words[2 * (q - smallest)] = bits.high
      words[2 * (q - smallest) + 1] = bits.low
    }

    // floor(2^1024 / 5^k) by k divisions, each exact in its floor; 229 bits are left at k = 342.
    var number = [UInt64](repeating: 0, count: 16) + [1]
    for q in stride(from: -1, through: smallest, by: -1) {
      var remainder: UInt64 = 0
      for limb in number.indices.reversed() {
        (number[limb], remainder) = UInt64(5).dividingFullWidth((remainder, number[limb]))
      }
      var bits = leadingBits(of: number)
      if q >= -27 {
        bits.low &+= 1
        if bits.low == 0 { bits.high += 1 }
      }
      store(bits, at: q)
    }

    number = [UInt64](repeating: 0, count: 12)
    number[0] = 1
    for q in 0...largest {
      store(leadingBits(of: number), at: q)
      var carry: UInt64 = 0
      for limb in number.indices {
        let product = number[limb].multipliedFullWidth(by: 5)
        let (sum, overflow) = product.low.addingReportingOverflow(carry)
        number[limb] = sum
        carry = product.high + (overflow ? 1 : 0)
      }
    }
    return words
  }()

  /// The same, but rounded up wherever 5^q has more than 128 bits.
  static let roundedUp: [UInt64] = {
    var rounded = words
    for q in smallest...largest where q < -27 || q > 55 {
      let row = 2 * (q - smallest)
      rounded[row + 1] &+= 1
      if rounded[row + 1] == 0 { rounded[row] += 1 }
    }
    return rounded
  }()

  /// The 128 bits from the highest set bit of a non-zero number down.
  private static func leadingBits(of number: [UInt64]) -> (high: UInt64, low: UInt64) {
    var top = number.count - 1
    while number[top] == 0 { top -= 1 }
    let limb = { (index: Int) in index < 0 ? 0 : number[index] }
    let shift = UInt64(number[top].leadingZeroBitCount)
    let spill = 64 - shift  // Swift's >> gives zero for a shift by 64.
    return (
      limb(top) << shift | limb(top - 1) >> spill,
      limb(top - 1) << shift | limb(top - 2) >> spill
    )
  }
}
