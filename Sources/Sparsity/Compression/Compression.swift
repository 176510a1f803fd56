// SPDX-License-Identifier: GPL-3.0-or-later

/// What a compression left behind.
public struct CompressionSummary: Sendable, Hashable {
  /// Entries of -0.0 that found no place beside n non-zeros of their group; they come back as +0.0.
  public var droppedSigns = 0
}

extension CompressedLayout {
  /// Stores the kept values and the indices of `matrix`.
  ///
  /// A group with fewer non-zeros than n is filled up: by its entries of -0.0 first, from the
  /// left, so that they keep their sign, then as PyTorch's conversion does, which takes 0 and 2
  /// where only entry 0 is not zero, 1 and 2 where only entry 1 is, and else 2 and 3.
  ///
  /// - Parameters:
  ///   - values: room for `rows * valueColumns` elements of the matrix's type.
  ///   - metadata: room for `rows * metadataRowByteCount` bytes.
  /// - Throws: `CompressionError.tooManyNonZeros` for the first group that breaks the pattern.
  /// - Complexity: O(rows * columns).
  public func compress(
    _ matrix: MatrixView,
    values: UnsafeMutableRawPointer,
    metadata: UnsafeMutablePointer<UInt8>
  ) throws(CompressionError) -> CompressionSummary {
    precondition(matrix.rows == rows && matrix.columns == columns)
    let isFloat = matrix.dataType.isFloatingPoint
    switch matrix.dataType.byteCount {
    case 1: return try compress(matrix, values, metadata, sign: 0 as UInt8)
    case 2: return try compress(matrix, values, metadata, sign: isFloat ? 1 << 15 : 0 as UInt16)
    case 4: return try compress(matrix, values, metadata, sign: isFloat ? 1 << 31 : 0 as UInt32)
    default: return try compress(matrix, values, metadata, sign: isFloat ? 1 << 63 : 0 as UInt64)
    }
  }

  /// - Parameter sign: the bit that alone makes -0.0; zero for integers.
  private func compress<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ matrix: MatrixView,
    _ values: UnsafeMutableRawPointer,
    _ metadata: UnsafeMutablePointer<UInt8>,
    sign: Bits
  ) throws(CompressionError) -> CompressionSummary {
    let (n, m) = (form.n, form.m)
    let size = MemoryLayout<Bits>.size
    // Little-endian, as the elements are.
    let sign = sign.littleEndian
    var summary = CompressionSummary()
    var slot = values
    metadata.update(repeating: 0, count: rows * metadataRowByteCount)
    for row in 0..<rows {
      let base = matrix.base + row * matrix.rowByteCount
      let rowMetadata = metadata + row * metadataRowByteCount
      for group in 0..<rowGroupCount {
        let entries = base + group * m * size
        var kept = 0
        var negativeZeros = 0
        for index in 0..<m {
          let bits = entries.loadUnaligned(fromByteOffset: index * size, as: Bits.self)
          if bits & ~sign != 0 {
            kept |= 1 << index
          } else if bits != 0 {
            negativeZeros |= 1 << index
          }
        }
        guard kept.nonzeroBitCount <= n else {
          throw .tooManyNonZeros(row: row, column: group * m, count: kept.nonzeroBitCount)
        }
        while kept.nonzeroBitCount < n, negativeZeros != 0 {
          kept |= negativeZeros & -negativeZeros
          negativeZeros &= negativeZeros - 1
        }
        summary.droppedSigns += negativeZeros.nonzeroBitCount
        let indices = form == .twoOfFour ? Self.pairs[kept] : Self.halves[kept]
        rowMetadata[group / 2] |= indices << UInt8(4 * (group % 2))
        for position in positions(indices) {
          let bits = entries.loadUnaligned(fromByteOffset: position * size, as: Bits.self)
          slot.storeBytes(of: bits, as: Bits.self)
          slot += size
        }
      }
    }
    return summary
  }

  /// Restores the matrix; entries that are not stored become +0.
  ///
  /// - Parameters:
  ///   - values: `rows * valueColumns` elements of so many bytes.
  ///   - metadata: `rows * metadataRowByteCount` bytes.
  ///   - matrix: room for `rows * columns` elements.
  /// - Throws: `CompressionError` for the first group whose indices are none.
  /// - Complexity: O(rows * columns).
  public func decompress(
    values: UnsafeRawPointer,
    metadata: UnsafePointer<UInt8>,
    elementByteCount size: Int,
    into matrix: UnsafeMutableRawPointer
  ) throws(CompressionError) {
    matrix.initializeMemory(as: UInt8.self, repeating: 0, count: rows * columns * size)
    var slot = values
    for row in 0..<rows {
      let rowMetadata = metadata + row * metadataRowByteCount
      let base = matrix + row * columns * size
      for group in 0..<rowGroupCount {
        let indices = rowMetadata[group / 2] >> UInt8(4 * (group % 2)) & 0b1111
        guard isValid(indices) else {
          throw .badIndices(row: row, column: group * form.m, bits: indices)
        }
        for position in positions(indices) {
          (base + (group * form.m + position) * size).copyMemory(from: slot, byteCount: size)
          slot += size
        }
      }
      if rowGroupCount % 2 == 1, rowMetadata[rowGroupCount / 2] >> 4 != 0 {
        throw .badPadding(row: row)
      }
    }
  }

  /// The places in the group of the values that the four bits stand for, in order.
  @inline(__always)
  private func positions(_ indices: UInt8) -> CollectionOfTwo {
    let first = Int(indices & 0b11)
    return form == .twoOfFour
      ? CollectionOfTwo(first: first, second: Int(indices >> 2))
      : CollectionOfTwo(first: first / 2, second: nil)
  }

  @inline(__always)
  private func isValid(_ indices: UInt8) -> Bool {
    switch form {
    case .twoOfFour: indices & 0b11 < indices >> 2
    case .oneOfTwo: indices == 0b0100 || indices == 0b1110
    }
  }

  /// The four bits of 2:4 for each set of at most two kept entries, the sets as bits; the others
  /// are never asked for.
  private static let pairs: [UInt8] = [
    0b1110, 0b1000, 0b1001, 0b0100, 0b1110, 0b1000, 0b1001, 0,
    0b1110, 0b1100, 0b1101, 0, 0b1110, 0, 0, 0,
  ]

  /// The four bits of 1:2.
  private static let halves: [UInt8] = [0b1110, 0b0100, 0b1110]
}

/// One or two positions, without an array.
private struct CollectionOfTwo: Sequence, IteratorProtocol {
  var first: Int?
  var second: Int?

  init(first: Int, second: Int?) {
    self.first = first
    self.second = second
  }

  mutating func next() -> Int? {
    defer {
      first = second
      second = nil
    }
    return first
  }
}
