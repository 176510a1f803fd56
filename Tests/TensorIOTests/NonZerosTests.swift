// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import TensorIO

/// Zeros of every type, told by their bits.
struct NonZerosTests {
  private func flags(_ type: String, _ bytes: [UInt8], isBigEndian: Bool = false) -> [UInt8]? {
    guard let nonZeros = NonZeros(typeName: type) else { return nil }
    var flags = [UInt8](repeating: 9, count: bytes.count / nonZeros.byteCount)
    flags.withUnsafeMutableBufferPointer { flags in
      bytes.withUnsafeBytes { nonZeros.flag($0, isBigEndian: isBigEndian, into: flags) }
    }
    return flags
  }

  @Test(arguments: [
    ("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1),
  ])
  func negativeZeroIsZero(_ type: String, _ size: Int) {
    let zero = [UInt8](repeating: 0, count: size)
    let negative = zero.dropLast() + [0x80]
    let least = size == 1 ? [1] : [1] + zero.dropFirst()
    let little = zero + negative + least
    #expect(flags(type, little) == [0, 0, 1])
    let big = zero + negative.reversed() + least.reversed()
    #expect(flags(type, big, isBigEndian: true) == [0, 0, 1])
  }

  @Test(arguments: [
    ("I64", 8), ("U64", 8), ("I32", 4), ("U32", 4), ("I16", 2), ("U16", 2), ("I8", 1), ("U8", 1),
    ("BOOL", 1), ("F8_E4M3FNUZ", 1), ("F8_E5M2FNUZ", 1),
  ])
  func topBitCounts(_ type: String, _ size: Int) {
    let zero = [UInt8](repeating: 0, count: size)
    #expect(flags(type, zero + zero.dropLast() + [0x80]) == [0, 1])
    #expect(flags(type, zero + [0x80] + zero.dropFirst(), isBigEndian: true) == [0, 1])
  }

  @Test(arguments: ["F4", "F6_E2M3", "F8_E8M0", "C64", "", "f4"])
  func unknownTypes(_ type: String) { #expect(NonZeros(typeName: type) == nil) }
}
