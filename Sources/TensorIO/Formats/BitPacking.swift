// SPDX-License-Identifier: GPL-3.0-or-later

/// Masks of one bit an entry: bit k of byte b stands for entry 8b + k.
///
/// There are two layouts. In *packed rows* each row begins with a byte of its own, the last byte of
/// a row being filled with zeros. In the *flat stream* the rows follow each other without a gap; it
/// is numpy's `packbits(mask, axis=None, bitorder="little")`.
public enum BitPacking {
  /// The size of one packed row of so many entries, in bytes.
  public static func rowByteCount(columns: Int) -> Int { columns / 8 + (columns % 8 == 0 ? 0 : 1) }

  /// Packs bytes, of which any but 0 counts as 1, into bits.
  ///
  /// - Parameter bits: At least `rowByteCount(columns: bytes.count)` bytes, all of which are
  ///   written that the entries need.
  /// - Complexity: O(entries).
  public static func pack(
    _ bytes: UnsafeRawBufferPointer,
    into bits: UnsafeMutableRawBufferPointer
  ) {
    let whole = bytes.count / 8
    precondition(bits.count >= rowByteCount(columns: bytes.count))
    for index in 0..<whole {
      let word = UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
      )
      bits[index] = packed(word)
    }
    if bytes.count % 8 != 0 {
      var last: UInt8 = 0
      for (bit, byte) in bytes[(8 * whole)...].enumerated() where byte != 0 {
        last |= 1 << UInt8(bit)
      }
      bits[whole] = last
    }
  }

  /// Unpacks bits into bytes of 0 and 1, as many as `bytes` has room for.
  ///
  /// - Parameter bits: At least `rowByteCount(columns: bytes.count)` bytes.
  /// - Complexity: O(entries).
  public static func unpack(
    _ bits: UnsafeRawBufferPointer,
    into bytes: UnsafeMutableRawBufferPointer
  ) {
    let whole = bytes.count / 8
    precondition(bits.count >= rowByteCount(columns: bytes.count))
    for index in 0..<whole {
      bytes.storeBytes(
        of: unpacked(bits[index]).littleEndian,
        toByteOffset: 8 * index,
        as: UInt64.self
      )
    }
    for index in (8 * whole)..<bytes.count {
      bytes[index] = bits[whole] >> UInt8(index % 8) & 1
    }
  }

  /// Joins packed rows into the flat stream.
  ///
  /// - Parameter packedRows: `rows * rowByteCount(columns: columns)` bytes; the fill of the rows is
  ///   not looked at.
  /// - Returns: `rowByteCount(columns: rows * columns)` bytes, filled with zeros.
  /// - Complexity: O(bytes).
  public static func flatStream(
    packedRows: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int
  ) -> [UInt8] {
    let rowBytes = rowByteCount(columns: columns)
    precondition(packedRows.count >= rows * rowBytes)
    if columns % 8 == 0 { return Array(packedRows[..<(rows * rowBytes)]) }
    var stream: [UInt8] = []
    stream.reserveCapacity(rowByteCount(columns: rows * columns))
    // The bits that do not fill a byte yet, fewer than eight between steps.
    var pending: UInt32 = 0
    var count: UInt32 = 0
    for row in 0..<rows {
      var left = columns
      for byte in packedRows[(row * rowBytes)..<((row + 1) * rowBytes)] {
        let valid = UInt32(min(left, 8))
        pending |= (UInt32(byte) & (1 << valid - 1)) << count
        count += valid
        left -= Int(valid)
        if count >= 8 {
          stream.append(UInt8(truncatingIfNeeded: pending))
          pending >>= 8
          count -= 8
        }
      }
    }
    if count > 0 { stream.append(UInt8(truncatingIfNeeded: pending)) }
    return stream
  }

  /// Splits the flat stream into packed rows.
  ///
  /// - Parameter stream: `rowByteCount(columns: rows * columns)` bytes.
  /// - Returns: `rows * rowByteCount(columns: columns)` bytes, each row filled with zeros.
  /// - Complexity: O(bytes).
  public static func packedRows(
    flatStream stream: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int
  ) -> [UInt8] {
    precondition(stream.count >= rowByteCount(columns: rows * columns))
    let rowBytes = rowByteCount(columns: columns)
    if columns % 8 == 0 { return Array(stream[..<(rows * rowBytes)]) }
    var packed: [UInt8] = []
    packed.reserveCapacity(rows * rowBytes)
    for row in 0..<rows {
      var left = columns
      var bit = row * columns
      while left > 0 {
        let shift = UInt16(bit % 8)
        var window = UInt16(stream[bit / 8])
        if bit / 8 + 1 < stream.count { window |= UInt16(stream[bit / 8 + 1]) << 8 }
        let mask: UInt16 = left < 8 ? 1 << UInt16(left) - 1 : 0xff
        packed.append(UInt8(truncatingIfNeeded: window >> shift & mask))
        bit += 8
        left -= 8
      }
    }
    return packed
  }

  /// Eight bytes, the first in the lowest place, to eight bits.
  @inline(__always)
  private static func packed(_ word: UInt64) -> UInt8 {
    // Any bit of a byte reaches its highest one, without a carry into the next byte.
    let low = 0x7f7f_7f7f_7f7f_7f7f as UInt64
    let flags = ((word & low) &+ low | word) >> 7 & 0x0101_0101_0101_0101
    // Byte i times 2^(56 - 7i) comes to bit 56 + i; all other products fall elsewhere.
    return UInt8(truncatingIfNeeded: (flags &* 0x0102_0408_1020_4080) >> 56)
  }

  /// Eight bits to eight bytes of 0 and 1, the first in the lowest place.
  @inline(__always)
  static func unpacked(_ bits: UInt8) -> UInt64 {
    let spread = (UInt64(bits) &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
    return (spread &+ 0x7f7f_7f7f_7f7f_7f7f) >> 7 & 0x0101_0101_0101_0101
  }
}
