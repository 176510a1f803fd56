// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// What is found in one tensor.
struct TensorInspection: Sendable {
  /// The patterns of the zeros, one of them for each structure.
  struct Patterns: Sendable {
    var tightest: Pattern?
    /// The most non-zeros in a group of each size that divides the sides.
    var most: [(groupSize: Int, count: Int)]
  }

  /// Empty for the array of a .npy file.
  let name: String
  let typeName: String
  private(set) var shape: [Int]
  /// Nil for a type whose zeros are not known.
  private(set) var zeros: Int?
  /// Empty for what is no matrix and no stack of them.
  private(set) var patterns: [Structure: Patterns] = [:]

  init(_ name: String, _ typeName: String, _ shape: [Int]) {
    self.name = name
    self.typeName = typeName
    self.shape = shape
  }

  /// The number of elements.
  var entries: Int { shape.reduce(1, *) }

  /// The share of elements that are not zero; nil where it is not known, or there are none.
  var density: Double? {
    guard let zeros, entries > 0 else { return nil }
    return Double(entries - zeros) / Double(entries)
  }

  /// Counts the zeros.
  ///
  /// - Parameter read: fills a buffer with the next elements.
  mutating func count(
    _ type: NonZeros,
    isBigEndian: Bool,
    read: (UnsafeMutableRawBufferPointer) throws(CommandError) -> Void
  ) throws(CommandError) {
    guard shape.count >= 2, !shape.contains(0) else {
      zeros = try countAlone(type, isBigEndian, read: read)
      return
    }
    let stack = MatrixStack(shape: shape)
    var census = PatternCensus(
      rows: stack.rows,
      columns: stack.columns,
      positions: stack.positions
    )
    // Rows are taken a mebibyte at a time, and grown to, as the header may promise anything.
    let rowCount = stack.columns * stack.positions
    var bytes: [UInt8] = []
    var flags: [UInt8] = []
    for _ in 0..<stack.rows {
      flags.removeAll(keepingCapacity: true)
      while flags.count < rowCount {
        let count = min(rowCount - flags.count, 1 << 17)
        try Self.fill(&bytes, count * type.byteCount, read)
        Self.append(&flags, count, bytes, type, isBigEndian)
      }
      census.append(flags)
    }
    zeros = entries - census.nonZeros
    for structure in Structure.allCases {
      patterns[structure] = Patterns(
        tightest: census.tightest(structure),
        most: census.most(structure)
      )
    }
  }

  /// The same of the transpose of a matrix.
  var transposed: TensorInspection {
    var other = self
    other.shape.reverse()
    other.patterns[.row] = patterns[.column]
    other.patterns[.column] = patterns[.row]
    return other
  }

  private func countAlone(
    _ type: NonZeros,
    _ isBigEndian: Bool,
    read: (UnsafeMutableRawBufferPointer) throws(CommandError) -> Void
  ) throws(CommandError) -> Int {
    var zeros = 0
    var left = entries
    var bytes: [UInt8] = []
    var flags: [UInt8] = []
    while left > 0 {
      let count = min(left, 1 << 17)
      flags.removeAll(keepingCapacity: true)
      try Self.fill(&bytes, count * type.byteCount, read)
      Self.append(&flags, count, bytes, type, isBigEndian)
      zeros += count - flags.reduce(0) { $0 + Int($1) }
      left -= count
    }
    return zeros
  }

  private static func fill(
    _ bytes: inout [UInt8],
    _ count: Int,
    _ read: (UnsafeMutableRawBufferPointer) throws(CommandError) -> Void
  ) throws(CommandError) {
    if bytes.count != count { bytes = [UInt8](repeating: 0, count: count) }
    let result = bytes.withUnsafeMutableBytes { target in
      Result { () throws(CommandError) in try read(target) }
    }
    try result.get()
  }

  private static func append(
    _ flags: inout [UInt8],
    _ count: Int,
    _ bytes: [UInt8],
    _ type: NonZeros,
    _ isBigEndian: Bool
  ) {
    let start = flags.count
    flags += repeatElement(0, count: count)
    flags.withUnsafeMutableBufferPointer { flags in
      bytes.withUnsafeBytes { bytes in
        type.flag(
          bytes,
          isBigEndian: isBigEndian,
          into: UnsafeMutableBufferPointer(rebasing: flags[start...])
        )
      }
    }
  }
}
