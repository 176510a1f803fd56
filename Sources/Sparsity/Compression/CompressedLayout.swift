// SPDX-License-Identifier: GPL-3.0-or-later

/// How a matrix that obeys 2:4, or 1:2, is stored as its kept values and two-bit indices.
///
/// Row by row, each group gives n values, in the order of their columns, and four bits of metadata.
/// The group's four bits are two indices of two bits, the first in the lower place; those of
/// 2:4 are the columns of the values within the group. 1:2 is 2:4 of half words: index pair (0, 1)
/// stands for the first entry of the two, (2, 3) for the second. Bits of group k of a row are bits
/// 4(k % 2) and up of the row's byte k / 2, so that in words of 16 or 32 bits, little-endian, group
/// k is at bit 4k. Each row begins on a byte of its own. This is the row-major metadata of
/// PyTorch's semi-structured sparse tensors and of CUTLASS, before either reorders it for the
/// tensor cores.
public struct CompressedLayout: Sendable, Hashable {
  /// The patterns that hardware multiplies in this form.
  public enum Form: Sendable, Hashable {
    case twoOfFour
    case oneOfTwo

    public var n: Int { self == .twoOfFour ? 2 : 1 }
    public var m: Int { self == .twoOfFour ? 4 : 2 }
  }

  public let form: Form
  public let rows: Int
  /// The columns of the whole matrix.
  public let columns: Int

  /// Lays the form on a `rows` x `columns` matrix.
  ///
  /// - Throws: `CompressionError.indivisible` where whole groups do not cover a row.
  public init(_ form: Form, rows: Int, columns: Int) throws(CompressionError) {
    precondition(rows >= 0 && columns >= 0)
    guard columns % form.m == 0 else {
      throw .indivisible(columns: columns, m: form.m)
    }
    self.form = form
    self.rows = rows
    self.columns = columns
  }

  /// The values of one row.
  public var valueColumns: Int { columns / 2 }

  /// The groups of one row.
  public var rowGroupCount: Int { columns / form.m }

  /// The metadata of one row, in bytes.
  public var metadataRowByteCount: Int { (rowGroupCount + 1) / 2 }
}

/// Why a matrix cannot be compressed, or expanded.
public enum CompressionError: Error, Sendable, Hashable {
  case indivisible(columns: Int, m: Int)
  /// The first group, by its first entry, that has more non-zeros than the pattern allows.
  case tooManyNonZeros(row: Int, column: Int, count: Int)
  /// The first group whose indices are not two that rise, or not a pair that 1:2 has.
  case badIndices(row: Int, column: Int, bits: UInt8)
  /// The bits behind the last group of a row are not zero.
  case badPadding(row: Int)
}
