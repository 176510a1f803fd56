// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// Copies a file piece by piece, with zeros in the place of masked entries.
struct FilePruner {
  /// Which entries are kept, in the order of the file.
  enum Kept {
    /// One bit an entry.
    case stream([UInt8])
    /// The mask of a matrix whose entries follow each other down the columns.
    case columns(Mask)
  }

  private let input: InputFile
  private let output: OutputFile
  // A multiple of 8, so that a piece of elements ends with one, and a mask's piece with a byte.
  private var buffer = [UInt8](repeating: 0, count: 1 << 20)

  init(_ input: InputFile, _ output: OutputFile) {
    self.input = input
    self.output = output
  }

  /// Copies so many bytes as they are.
  mutating func copy(_ byteCount: Int) throws(CommandError) {
    var left = byteCount
    while left > 0 {
      let count = min(left, buffer.count)
      try read(count)
      try write(count)
      left -= count
    }
  }

  /// Copies what comes before the data of a safetensors file.
  mutating func copySafetensorsHeader() throws(CommandError) {
    try read(8)
    let length = buffer[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    try write(8)
    guard let length = Int(exactly: length) else { throw changed }
    try copy(length)
  }

  /// Copies so many bytes of elements, zeroing those that are not kept.
  mutating func prune(
    _ byteCount: Int,
    elementByteCount size: Int,
    _ kept: Kept
  ) throws(CommandError) {
    for start in stride(from: 0, to: byteCount, by: buffer.count) {
      let count = min(buffer.count, byteCount - start)
      try read(count)
      let first = start / size
      buffer.withUnsafeMutableBytes { buffer in
        let elements = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        switch kept {
        case .stream(let bits):
          Self.zero(elements, size: size) { bits[(first + $0) / 8] >> UInt8((first + $0) % 8) & 1 }
        case .columns(let mask):
          Self.zero(elements, size: size) { index in
            let (column, row) = (first + index).quotientAndRemainder(dividingBy: mask.rows)
            return mask[row, column] ? 1 : 0
          }
        }
      }
      try write(count)
    }
  }

  /// Makes sure that the file has ended.
  mutating func finish() throws(CommandError) {
    let count = try fill(1)
    guard count == 0 else { throw changed }
  }

  // MARK: Elements

  /// Zero is a word of zeros in every type and byte order.
  @inline(__always)
  private static func zero(
    _ elements: UnsafeMutableRawBufferPointer,
    size: Int,
    _ keeps: (Int) -> UInt8
  ) {
    switch size {
    case 1: zero(elements, as: UInt8.self, keeps)
    case 2: zero(elements, as: UInt16.self, keeps)
    case 4: zero(elements, as: UInt32.self, keeps)
    default: zero(elements, as: UInt64.self, keeps)
    }
  }

  @inline(__always)
  private static func zero<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ elements: UnsafeMutableRawBufferPointer,
    as type: Word.Type,
    _ keeps: (Int) -> UInt8
  ) {
    let size = MemoryLayout<Word>.size
    for index in 0..<(elements.count / size) {
      let word = elements.loadUnaligned(fromByteOffset: index * size, as: Word.self)
      let all = 0 &- Word(truncatingIfNeeded: keeps(index))
      elements.storeBytes(of: word & all, toByteOffset: index * size, as: Word.self)
    }
  }

  // MARK: Pieces

  private var changed: CommandError {
    CommandError(.input, "\(input.name) has changed while it was read.")
  }

  private mutating func read(_ count: Int) throws(CommandError) {
    guard try fill(count) == count else { throw changed }
  }

  private mutating func fill(_ count: Int) throws(CommandError) -> Int {
    let input = input
    let result = buffer.withUnsafeMutableBytes { buffer in
      Result { () throws(CommandError) in
        try input.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    return try result.get()
  }

  private func write(_ count: Int) throws(CommandError) {
    let result = buffer.withUnsafeBytes { buffer in
      Result { () throws(CommandError) in
        try output.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    try result.get()
  }
}
