// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Sparsity

/// The hardware layout: each set of kept places, and each way to break it.
struct CompressionTests {
  /// Compresses one group of float32 and gives its four bits and its values.
  private func compressed(
    _ group: [Float],
    _ form: CompressedLayout.Form
  ) throws(CompressionError) -> (bits: UInt8, values: [Float], droppedSigns: Int) {
    let layout = try CompressedLayout(form, rows: 1, columns: group.count)
    var values = [Float](repeating: .nan, count: layout.valueColumns)
    var metadata: [UInt8] = [0xFF]
    let result = group.withUnsafeBytes { group in
      values.withUnsafeMutableBytes { values in
        metadata.withUnsafeMutableBufferPointer { metadata in
          Result { () throws(CompressionError) in
            try layout.compress(
              MatrixView(group, dataType: .float32, rows: 1, columns: layout.columns),
              values: values.baseAddress!,
              metadata: metadata.baseAddress!
            )
          }
        }
      }
    }
    let summary = try result.get()
    return (metadata[0], values, summary.droppedSigns)
  }

  /// The tables in the comments of PyTorch's `_semi_structured_conversions.py`.
  @Test(arguments: [
    ([1, 2, 0, 0], 0b0100), ([1, 0, 2, 0], 0b1000), ([0, 1, 2, 0], 0b1001), ([1, 0, 0, 2], 0b1100),
    ([0, 1, 0, 2], 0b1101), ([0, 0, 1, 2], 0b1110), ([0, 0, 0, 0], 0b1110), ([0, 0, 0, 1], 0b1110),
    ([0, 0, 1, 0], 0b1110), ([0, 1, 0, 0], 0b1001), ([1, 0, 0, 0], 0b1000),
  ])
  func groupsOfFour(_ group: [Float], _ bits: Int) throws {
    let result = try compressed(group, .twoOfFour)
    #expect(result.bits == UInt8(bits))
    #expect(result.values == [group[bits & 3], group[bits >> 2]])
  }

  @Test(arguments: [([5, 0], 0b0100), ([0, 5], 0b1110), ([0, 0], 0b1110)])
  func groupsOfTwo(_ group: [Float], _ bits: Int) throws {
    let result = try compressed(group, .oneOfTwo)
    #expect(result.bits == UInt8(bits))
    #expect(result.values == [group[(bits & 3) / 2]])
  }

  @Test func negativeZerosTakeFreePlacesFromTheLeft() throws {
    let free = try compressed([-0.0, -0.0, 3, -0.0], .twoOfFour)
    #expect(free.bits == 0b1000 && free.droppedSigns == 2)
    #expect(free.values.map(\.bitPattern) == [0x8000_0000, Float(3).bitPattern])
    let crowded = try compressed([1, -0.0, 0, 2], .twoOfFour)
    #expect(crowded.bits == 0b1100 && crowded.droppedSigns == 1)
  }

  @Test func crowdedGroupsAreRefused() {
    #expect(throws: CompressionError.tooManyNonZeros(row: 0, column: 4, count: 3)) {
      try compressed([1, 0, 0, 1, 1, 1, 0, .nan], .twoOfFour)
    }
    #expect(throws: CompressionError.indivisible(columns: 6, m: 4)) {
      try CompressedLayout(.twoOfFour, rows: 1, columns: 6)
    }
  }

  /// Exactly the six pairs that rise are indices of 2:4, and two of 1:2.
  @Test func everyNibble() throws {
    for (form, valid) in [
      (CompressedLayout.Form.twoOfFour, [0b0100, 0b1000, 0b1001, 0b1100, 0b1101, 0b1110]),
      (.oneOfTwo, [0b0100, 0b1110]),
    ] {
      let layout = try CompressedLayout(form, rows: 1, columns: form.m)
      for bits in 0..<256 {
        let values: [UInt8] = [7, 9]
        var matrix = [UInt8](repeating: 1, count: form.m)
        let metadata = [UInt8(bits)]
        let result = matrix.withUnsafeMutableBytes { matrix in
          Result { () throws(CompressionError) in
            try layout.decompress(
              values: values.withUnsafeBytes { $0.baseAddress! },
              metadata: metadata.withUnsafeBufferPointer { $0.baseAddress! },
              elementByteCount: 1,
              into: matrix.baseAddress!
            )
          }
        }
        #expect(((try? result.get()) != nil) == valid.contains(bits), "\(form) \(bits)")
      }
    }
  }
}
