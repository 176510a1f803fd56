// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import Sparsity

@Suite struct PhiloxTests {
  /// The known answers that come with Random123 for philox4x32, 10 rounds.
  @Test(
    arguments: [
      (
        [0, 0, 0, 0], [0, 0],
        [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
      ),
      (
        [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ] as [([UInt64], [UInt64], [UInt64])]
  )
  func knownAnswers(counter: [UInt64], key: [UInt64], answer: [UInt64]) {
    let block = Philox(key: key[1] << 32 | key[0])
      .block(counter[1] << 32 | counter[0], counter[3] << 32 | counter[2])
    #expect(block.low == answer[1] << 32 | answer[0])
    #expect(block.high == answer[3] << 32 | answer[2])
  }

  @Test func streamsAreKeyedByEverything() {
    let stream = RandomStream(seed: 1, tensorKey: 2)
    #expect(stream.bits(group: 3) == Philox(key: 1).block(3, 2))
    #expect(stream.bits(group: 3, draw: 1) == Philox(key: 1).block(3 | 1 << 56, 2))
  }
}

@Suite struct ExactSumTests {
  @Test func sumsWhatDoublesLose() {
    var sum = ExactSum()
    for value in [1e300, 1, -1e300, 0x1p-1074, 1e-300, -1e-300] { sum.add(value) }
    #expect(sum.value == 1)
    sum.add(-1)
    #expect(sum.value == 0x1p-1074)
    sum.add(-0x1p-1073)
    #expect(sum.value == -0x1p-1074)
    sum.add(0x1p-1074)
    #expect(sum.value == 0 && sum == ExactSum())
    sum.add(.greatestFiniteMagnitude)
    #expect(sum.value == .greatestFiniteMagnitude)
  }

  /// Against fractions, in any order, in parts, with signs that cancel.
  @Test func agreesWithFractions() {
    var generator = SplitMix64(seed: 61)
    for round in 0..<200 {
      let values = (0..<40).map { _ -> Double in
        let exponent = Double(generator.next() % 300) - 150
        let sign: Double = generator.next() & 1 == 0 ? 1 : -1
        let magnitude = Double(sign: .plus, exponent: Int(exponent), significand: 1)
        return sign * magnitude * (1 + generator.uniform())
      }
      var sum = ExactSum()
      for value in values { sum.add(value) }
      var parts = ExactSum()
      for half in [values.suffix(17).reversed(), values.prefix(23).reversed()] {
        var part = ExactSum()
        for value in half { part.add(value) }
        parts.add(part)
      }
      let exact = values.reduce(Rational(0)) { $0 + Rational($1) }
      // A correctly rounded sum is at least as close as its neighbours.
      let error = Rational(sum.value) - exact
      let up = Rational(sum.value.nextUp) - exact
      let down = exact - Rational(sum.value.nextDown)
      let magnitude = error < Rational(0) ? Rational(0) - error : error
      #expect(!(up < magnitude) && !(down < magnitude), "round \(round), seed 61")
      #expect(parts == sum)
      #expect(parts.value == sum.value)
    }
  }
}
