// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
public import Sparsity
import TensorIO

extension Mask {
  /// Writes the mask as a .npy file of booleans, some rows at a time.
  ///
  /// - Throws: `CommandError` where the file cannot be written.
  /// - Complexity: O(rows * columns) time; memory for about a mebibyte.
  public func writeNPY(toPath path: String) throws(CommandError) {
    do {
      guard FileManager.default.createFile(atPath: path, contents: nil),
        let file = FileHandle(forWritingAtPath: path)
      else { throw CommandError("'\(path)' cannot be written.") }
      defer { try? file.close() }
      try file.write(
        contentsOf: Data(NPYHeader.bytes(elementType: .bool, shape: [rows, columns]))
      )
      let height = Swift.max(1, (1 << 20) / Swift.max(1, columns))
      for first in stride(from: 0, to: columns > 0 ? rows : 0, by: height) {
        let range = first..<Swift.min(first + height, rows)
        var data = Data(count: range.count * columns)
        data.withUnsafeMutableBytes { unpack(range, into: $0) }
        try file.write(contentsOf: data)
      }
    } catch let error as CommandError {
      throw error
    } catch {
      throw CommandError("'\(path)' cannot be written: \(error.localizedDescription)")
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
