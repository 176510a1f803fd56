// SPDX-License-Identifier: GPL-3.0-or-later

@testable import Sparsity

/// A small matrix and what to make of it, drawn from an input.
///
/// Seven bytes say the type, the pattern, the specification and the shape; the rest are elements, or
/// the few elements that the matrix is made of.
struct EngineCase {
  let specification: MaskSpecification
  let layout: MaskLayout
  let dataType: DataType
  let elements: [UInt8]
  /// The magnitude of each entry, row by row.
  let magnitudes: [Double]

  private enum Fill: CaseIterable {
    /// The bytes of the input, over and over; infinities and NaNs are among them.
    case bytes
    /// Elements of the input in random order: many are equal.
    case palette
    /// Small integers, in floating-point types as their bit patterns' lowest.
    case small
    /// Random finite elements.
    case random
  }

  /// Nil where the input asks for a specification that there is none of.
  init?(_ input: UnsafeRawBufferPointer, _ choices: inout Choices) {
    var source = ByteSource(input)
    dataType = source.pick(DataType.allCases)
    let m = source.pick([1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 9, 12, 16, 17, 20])
    let n = 1 + source.byte() % m
    let options = source.byte()
    let structure = Structure.allCases[options & 3 == 3 ? 0 : options & 3]
    let constraint = Sparsity.Constraint.allCases[options >> 2 & 1]
    let method = options & 8 == 0 ? .exact : MaskMethod.allCases[options >> 4 & 3]
    let fill = Fill.allCases[options >> 6 & 3]
    let tiles = source.byte()
    let rows = m * (tiles & 1 + 1) + (tiles & 2 == 0 ? 0 : tiles >> 2 & 3)
    var columns = source.byte() % (3 * m) + 1
    // The lanes of the widest kernels, and one tile more.
    if tiles & 0xc0 == 0xc0, m <= 8 { columns = 17 * m }
    guard let pattern = try? Pattern(n: n, m: m),
      let specification = try? MaskSpecification(
        pattern: pattern,
        structure: structure,
        constraint: constraint,
        method: method,
        remainder: .dense
      ),
      let layout = try? MaskLayout(specification, rows: rows, columns: columns)
    else { return nil }
    self.specification = specification
    self.layout = layout
    let elements = Self.elements(rows * columns, dataType, fill, source.rest, &choices)
    self.elements = elements
    magnitudes = elements.withUnsafeBytes { [dataType] bytes in
      (0..<(rows * columns)).map { magnitude(bytes, $0, dataType) }
    }
  }

  private static func elements(
    _ count: Int,
    _ dataType: DataType,
    _ fill: Fill,
    _ given: UnsafeRawBufferPointer,
    _ choices: inout Choices
  ) -> [UInt8] {
    let size = dataType.byteCount
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * size)
    let palette = given.count / size
    var word: UInt64 = 0
    for index in 0..<(count * size) {
      let place = index % size
      if place == 0 { word = choices.next() }
      switch fill {
      case .bytes: bytes.append(given.isEmpty ? 0 : given[index % given.count])
      case .palette where palette > 0:
        bytes.append(given[Int(word % UInt64(palette)) * size + place])
      case .palette, .small:
        bytes.append(place == 0 ? UInt8(word & 7) : 0)
      case .random: bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * place)))
      }
      // Without the highest bit of its exponent a number is finite.
      if fill != .bytes, dataType.isFloatingPoint, place == size - 1 {
        bytes[index] &= 0xbf
      }
    }
    return bytes
  }

  /// The best score there is, by the grammar of the pattern alone; nil where that takes too long.
  ///
  /// - Complexity: O(tiles * m * (n + 1)^m * 2^m) for tiles, O(entries * log m) for groups.
  func bestScore() -> Double? {
    let (n, m) = (specification.pattern.n, specification.pattern.m)
    var best = 0.0
    for row in 0..<layout.rows {
      for column in 0..<layout.columns
      where row >= layout.groupedRows || column >= layout.groupedColumns {
        best += magnitudes[row * layout.columns + column]
      }
    }
    let isTransposable = specification.structure == .transposable
    if isTransposable && m > 4 { return nil }
    let (height, width) =
      isTransposable ? (m, m) : specification.structure == .row ? (1, m) : (m, 1)
    for top in stride(from: 0, to: layout.groupedRows, by: height) {
      for left in stride(from: 0, to: layout.groupedColumns, by: width) {
        var piece: [Double] = []
        for row in top..<(top + height) {
          let start = row * layout.columns + left
          piece += magnitudes[start..<(start + width)]
        }
        best += isTransposable ? bestOfTile(piece) : piece.sorted(by: >).prefix(n).reduce(0, +)
      }
    }
    return best
  }

  /// Row by row, the best score for each count of kept entries of each column.
  private func bestOfTile(_ tile: [Double]) -> Double {
    let (n, m) = (specification.pattern.n, specification.pattern.m)
    let isQuota = specification.constraint == .exactly
    let places = (0..<m).map { column in (0..<column).reduce(1) { total, _ in total * (n + 1) } }
    let states = (0..<m).reduce(1) { total, _ in total * (n + 1) }
    var best = [Double](repeating: -1, count: states)
    best[0] = 0
    for row in 0..<m {
      var next = [Double](repeating: -1, count: states)
      for bits in 0..<(1 << m) {
        let kept = bits.nonzeroBitCount
        guard isQuota ? kept == n : kept <= n else { continue }
        var score = 0.0
        var step = 0
        for column in 0..<m where bits >> column & 1 == 1 {
          score += tile[row * m + column]
          step += places[column]
        }
        for state in 0..<states where best[state] >= 0 {
          let isFull = (0..<m).contains {
            bits >> $0 & 1 == 1 && state / places[$0] % (n + 1) == n
          }
          if !isFull { next[state + step] = max(next[state + step], best[state] + score) }
        }
      }
      best = next
    }
    return isQuota ? best[states - 1] : best.max() ?? 0
  }
}

/// The magnitude of an element, read apart from the engine.
private func magnitude(
  _ bytes: UnsafeRawBufferPointer,
  _ index: Int,
  _ dataType: DataType
) -> Double {
  func load<Element: BitwiseCopyable>(_ type: Element.Type) -> Element {
    bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: type)
  }
  return switch dataType {
  case .float64: abs(load(Double.self))
  case .float32: abs(Double(load(Float.self)))
  case .float16: abs(Double(load(Float16.self)))
  case .bfloat16: abs(Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16)))
  case .int8: Double(load(Int8.self).magnitude)
  case .uint8: Double(load(UInt8.self))
  case .int16: Double(load(Int16.self).magnitude)
  case .int32: Double(load(Int32.self).magnitude)
  case .int64: Double(load(Int64.self).magnitude)
  }
}
