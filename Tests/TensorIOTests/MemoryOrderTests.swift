// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct MemoryOrderTests {
  @Test(arguments: [1, 2, 4, 8])
  func `bytes are swapped once, however they arrive`(size: Int) {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let source = (0..<(size * 100)).map { _ in UInt8.random(in: 0...255, using: &random) }
    let expected = stride(from: 0, to: source.count, by: size)
      .flatMap { source[$0..<($0 + size)].reversed() }
    for _ in 0..<50 {
      var bytes = source
      var swap = ByteSwap(elementByteCount: size)
      var available = 0
      while available < bytes.count {
        available = min(bytes.count, available + Int.random(in: 0...30, using: &random))
        bytes.withUnsafeMutableBytes { swap.advance(in: $0, available: available) }
        #expect(swap.swappedByteCount == available / size * size)
      }
      #expect(bytes == expected)
    }
  }

  @Test(arguments: [
    [], [5], [1, 7], [7, 1], [3, 5], [33, 65], [2, 3, 4], [2, 3, 4, 5], [40, 2, 35], [0, 3],
    [3, 0, 2],
  ])
  func `Fortran order`(shape: [Int]) {
    let count = shape.reduce(1, *)
    // The element at (i, j, k) holds its own row-major index.
    var source = [UInt64](repeating: 0, count: count)
    for index in 0..<count {
      let path = TensorIndex.path(of: index, in: shape)
      var place = 0
      for axis in shape.indices.reversed() { place = place * shape[axis] + path[axis] }
      source[place] = UInt64(index)
    }
    func check<Word: FixedWidthInteger>(_ type: Word.Type) {
      let words = source.map { Word(truncatingIfNeeded: $0) }
      var result = [Word](repeating: 0, count: count)
      words.withUnsafeBytes { from in
        result.withUnsafeMutableBytes {
          copyFortranOrder(
            from: from,
            to: $0,
            shape: shape,
            elementByteCount: MemoryLayout<Word>.size
          )
        }
      }
      #expect(result == (0..<count).map { Word(truncatingIfNeeded: $0) })
    }
    check(UInt8.self)
    check(UInt16.self)
    check(UInt32.self)
    check(UInt64.self)
  }
}
