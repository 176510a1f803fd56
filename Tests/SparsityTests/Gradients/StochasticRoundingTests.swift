// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

@Suite struct StochasticRoundingTests {
  /// The number of bit patterns that round up is the number that the discarded bits spell, so the
  /// mean is the value: exactly, where float32 is normal and where it is subnormal.
  @Test func meanIsTheValue() {
    var generator = SplitMix64(seed: 101)
    for round in 0..<2000 {
      let exponent = Int(generator.next() % 276) - 149
      let value = Double(sign: .plus, exponent: exponent, significand: 1 + generator.uniform())
      let surplus = UInt64(29 + max(0, -126 - exponent))
      let discarded = value.bitPattern & ((1 << surplus) - 1)
      guard discarded != 0 else { continue }
      let lower = roundStochastically(value, bits: 0)
      let upper = lower.nextUp
      #expect(Double(lower) < value && value < Double(upper), "round \(round) seed 101")
      let first = (1 << surplus) - discarded
      #expect(roundStochastically(value, bits: first) == upper)
      #expect(roundStochastically(value, bits: first - 1) == lower)
      // Only the low bits count, so the bits that decided a draw may sit above them.
      #expect(roundStochastically(value, bits: (first - 1) | .max << surplus) == lower)
      #expect(roundStochastically(value, bits: .max) == upper)
    }
  }

  @Test func whatFitsIsUnchanged() {
    for value in [1, 1.5, 0x1p-149, 0x1p-148, 0x1p-126, 0x1.fffffep127, 4.05e20] as [Float] {
      for bits in [0, 1, 1 << 28, UInt64.max] {
        #expect(roundStochastically(Double(value), bits: bits) == value)
      }
    }
  }

  /// Below the smallest float32 it is all or nothing.
  @Test func belowTheSmallest() {
    let quarter = 0x1p-151
    #expect(roundStochastically(quarter, bits: 1 << 62) == 0)
    #expect(roundStochastically(quarter, bits: 1 << 62 - 1) == .leastNonzeroMagnitude)
    #expect(roundStochastically(0x1p-149 * 0.999, bits: 0) == .leastNonzeroMagnitude)
    #expect(roundStochastically(1e-300, bits: 1) == 0)
  }

  @Test func aboveTheLargest() {
    #expect(roundStochastically(0x1.ffffffp127, bits: 0) == .greatestFiniteMagnitude)
    #expect(roundStochastically(0x1.ffffffp127, bits: .max) == .infinity)
  }
}
