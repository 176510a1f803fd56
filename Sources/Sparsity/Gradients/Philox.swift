// SPDX-License-Identifier: GPL-3.0-or-later

/// Philox4x32-10: a random function from a 128-bit counter and a 64-bit key to 128 bits.
///
/// A counter-based generator has no state to pass on, so the random bits of one group cost the
/// same in any order and on any thread.
///
/// Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
/// as 1, 2, 3", SC11 (2011), section 4.3.
struct Philox: Sendable {
  /// The two halves of one output block: words 0 and 1, and words 2 and 3, low word first.
  struct Block: Sendable, Equatable {
    var low: UInt64
    var high: UInt64
  }

  /// The key, low word first.
  let key: UInt64

  /// Returns the block at a counter of two 64-bit halves (words 0 and 1, words 2 and 3).
  @inline(__always)
  func block(_ counterLow: UInt64, _ counterHigh: UInt64) -> Block {
    var c0 = UInt32(truncatingIfNeeded: counterLow)
    var c1 = UInt32(truncatingIfNeeded: counterLow >> 32)
    var c2 = UInt32(truncatingIfNeeded: counterHigh)
    var c3 = UInt32(truncatingIfNeeded: counterHigh >> 32)
    var k0 = UInt32(truncatingIfNeeded: key)
    var k1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let a = UInt64(c0) &* 0xD251_1F53
      let b = UInt64(c2) &* 0xCD9E_8D57
      (c0, c1, c2, c3) = (
        UInt32(truncatingIfNeeded: b >> 32) ^ c1 ^ k0,
        UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ c3 ^ k1,
        UInt32(truncatingIfNeeded: a)
      )
      // The Weyl sequence of the key: the golden ratio and sqrt(3) - 1, in 32 bits.
      k0 = k0 &+ 0x9E37_79B9
      k1 = k1 &+ 0xBB67_AE85
    }
    return Block(
      low: UInt64(c1) << 32 | UInt64(c0),
      high: UInt64(c3) << 32 | UInt64(c2)
    )
  }
}

/// The random bits of one tensor: a block for each group and draw, and nothing else.
///
/// The counter holds the group index in its low 56 bits, the number of the draw in the next 8 and
/// the tensor's key in the high 64; the key is the seed. So the bits of a group depend on (seed,
/// tensor, group, draw) alone: not on threads, bands, neighbours or the machine.
struct RandomStream: Sendable {
  private let generator: Philox
  private let tensorKey: UInt64

  /// The largest number of groups that a stream tells apart.
  static let maximumGroupCount = 1 << 56

  init(seed: UInt64, tensorKey: UInt64) {
    generator = Philox(key: seed)
    self.tensorKey = tensorKey
  }

  /// Returns 128 random bits for one group.
  @inline(__always)
  func bits(group: UInt64, draw: UInt64 = 0) -> Philox.Block {
    generator.block(group | draw << 56, tensorKey)
  }
}
