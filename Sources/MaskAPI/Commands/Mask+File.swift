// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

extension Mask {
  /// Writes the mask as a .npy file of booleans, some rows at a time.
  ///
  /// - Throws: `CommandError` where the file cannot be written.
  /// - Complexity: O(rows * columns) time; memory for about a mebibyte, or for one row.
  func writeNPY(to output: OutputFile) throws(CommandError) {
    let header: [UInt8]
    do throws(TensorError) {
      header = try NPYHeader.bytes(elementType: .bool, shape: [rows, columns])
    } catch {
      throw CommandError(.software, error.message)
    }
    try output.write(header)
    let height = Swift.max(1, (1 << 20) / Swift.max(1, columns))
    var piece = [UInt8](repeating: 0, count: Swift.min(rows, height) * columns)
    for first in stride(from: 0, to: columns > 0 ? rows : 0, by: height) {
      let range = first..<Swift.min(first + height, rows)
      let result = piece.withUnsafeMutableBytes { piece in
        let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(range.count * columns)])
        unpack(range, into: part)
        return Result { () throws(CommandError) in
          try output.write(UnsafeRawBufferPointer(part))
        }
      }
      try result.get()
    }
  }

  /// Writes the entries of some rows as bytes of 0 and 1.
  func unpack(_ range: Range<Int>, into target: UnsafeMutableRawBufferPointer) {
    guard columns > 0 else { return }
    bytes.withUnsafeBytes { source in
      for row in range {
        let from = source[(row * rowByteCount)..<((row + 1) * rowByteCount)]
        let start = (row - range.lowerBound) * columns
        BitPacking.unpack(
          UnsafeRawBufferPointer(rebasing: from),
          into: UnsafeMutableRawBufferPointer(rebasing: target[start..<(start + columns)])
        )
      }
    }
  }
}
