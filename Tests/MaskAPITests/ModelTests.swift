// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import Testing

@testable import MaskAPI

/// Names, paths and shapes: what decides which tensor is masked, and how.
struct ModelTests {
  @Test(arguments: [
    ("", "", true), ("", "a", false), ("*", "", true), ("*", "a.b", true), ("a*", "a", true),
    ("a*c", "abc", true), ("a*c", "abcd", false), ("*.weight", "l.0.weight", true),
    ("*.weight", "weight", false), ("a?c", "abc", true), ("a?c", "ac", false),
    ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false), ("**", "x", true),
    ("*ab", "aab", true), ("*aab", "aaab", true), ("[a]", "a", false), ("a.c", "abc", false),
  ])
  func globs(_ pattern: String, _ name: String, _ matches: Bool) {
    #expect(Glob(pattern).matches(name) == matches)
  }

  /// Patterns made to backtrack are still done at once.
  @Test func globsAreNotExponential() {
    let name = String(repeating: "a", count: 2000)
    #expect(!Glob(String(repeating: "*a", count: 200) + "*b").matches(name))
  }

  @Test func templates() {
    let template = PathTemplate("/v2/models/{model}/versions/{version}/infer")
    #expect(
      template.values(of: "/v2/models/a/versions/1/infer") == ["model": "a", "version": "1"]
    )
    for path in [
      "/v2/models/a/infer", "/v2/models//versions/1/infer", "/v2/models/a/versions/1/infer/",
      "/v2/models/a/versions/1/Infer", "v2/models/a/versions/1/infer", "",
    ] {
      #expect(template.values(of: path) == nil, "\(path)")
    }
  }

  /// The matrices of a stack cover the tensor, each entry once.
  @Test(arguments: [([4, 6], 1), ([4, 6, 3], 1), ([4, 6, 2, 3], 2), ([6, 1, 5], 3)])
  func stacks(_ shape: [Int], _ groups: Int) {
    let stack = MatrixStack(shape: shape, groups: groups)
    #expect(stack.entryCount == shape.reduce(1, *))
    let tensor = (0..<stack.entryCount).map { UInt16($0) }
    var seen: Set<UInt16> = []
    for index in 0..<stack.count {
      let bytes = tensor.withUnsafeBytes {
        stack.matrix(index, of: $0.baseAddress!, elementByteCount: 2)
      }
      let matrix = bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt16.self)) }
      #expect(matrix.count == stack.rows * stack.columns)
      // Steps of a row are the positions of the kernel.
      #expect(matrix[0] % UInt16(stack.positions) == UInt16(index % stack.positions))
      if stack.columns > 1 { #expect(matrix[1] - matrix[0] == UInt16(stack.positions)) }
      for (place, value) in matrix.enumerated() {
        let (row, column) = place.quotientAndRemainder(dividingBy: stack.columns)
        #expect(stack.offset(matrix: index, row: row, column: column) == Int(value))
      }
      seen.formUnion(matrix)
    }
    #expect(seen.count == stack.entryCount)
  }
}
