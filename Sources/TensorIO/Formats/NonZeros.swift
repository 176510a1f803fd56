// SPDX-License-Identifier: GPL-3.0-or-later

/// Tells which elements of a type are zero, by their bits.
///
/// Types that nothing is computed with here are told apart too.
public struct NonZeros: Sendable, Hashable {
  /// The size of one element, in bytes.
  public let byteCount: Int
  /// The bits that are clear in a zero: all but a sign.
  private let mask: UInt64

  /// Looks up a type by its safetensors name; nil for one that has no zero, or less than a byte.
  public init?(typeName: String) {
    let bits: Int
    let hasSignedZero: Bool
    switch typeName {
    case "F64": (bits, hasSignedZero) = (64, true)
    case "F32": (bits, hasSignedZero) = (32, true)
    case "F16", "BF16": (bits, hasSignedZero) = (16, true)
    case "F8_E4M3", "F8_E5M2": (bits, hasSignedZero) = (8, true)
    // What would be a negative zero is not a number here.
    case "F8_E4M3FNUZ", "F8_E5M2FNUZ": (bits, hasSignedZero) = (8, false)
    case "I64", "U64": (bits, hasSignedZero) = (64, false)
    case "I32", "U32": (bits, hasSignedZero) = (32, false)
    case "I16", "U16": (bits, hasSignedZero) = (16, false)
    case "I8", "U8", "BOOL": (bits, hasSignedZero) = (8, false)
    default: return nil
    }
    byteCount = bits / 8
    let all = UInt64.max >> UInt64(64 - bits)
    mask = hasSignedZero ? all >> 1 : all
  }

  /// Writes 1 for each element that is not zero, else 0.
  ///
  /// - Parameters:
  ///   - elements: the elements in either byte order.
  ///   - isBigEndian: whether the first byte of each is the highest.
  ///   - flags: as many bytes as there are elements.
  /// - Complexity: O(elements).
  public func flag(
    _ elements: UnsafeRawBufferPointer,
    isBigEndian: Bool = false,
    into flags: UnsafeMutableBufferPointer<UInt8>
  ) {
    precondition(elements.count == flags.count * byteCount)
    switch byteCount {
    case 1: flag(elements, UInt8(truncatingIfNeeded: mask), isBigEndian, flags)
    case 2: flag(elements, UInt16(truncatingIfNeeded: mask), isBigEndian, flags)
    case 4: flag(elements, UInt32(truncatingIfNeeded: mask), isBigEndian, flags)
    default: flag(elements, mask, isBigEndian, flags)
    }
  }

  @inline(__always)
  private func flag<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ elements: UnsafeRawBufferPointer,
    _ mask: Word,
    _ isBigEndian: Bool,
    _ flags: UnsafeMutableBufferPointer<UInt8>
  ) {
    // Cheaper to turn the mask than each element.
    let mask = isBigEndian ? mask.bigEndian : mask.littleEndian
    for index in flags.indices {
      let word = elements.loadUnaligned(
        fromByteOffset: index * MemoryLayout<Word>.size,
        as: Word.self
      )
      flags[index] = word & mask == 0 ? 0 : 1
    }
  }
}
