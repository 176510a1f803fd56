// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct NumericArrayTests {
  typealias Fault = NumericArray.Irregularity.Fault

  static let irregular: [(text: String, path: [Int], fault: Fault, message: String)] = [
    (
      "[[1,2,3,4],[5,6,7]]", [1], .ragged(count: 3, expected: 4),
      "row 1 has 3 entries, row 0 has 4"
    ),
    ("[[1,2],[3]]", [1], .ragged(count: 1, expected: 2), "row 1 has 1 entry, row 0 has 2"),
    ("[[1,2],[3,[4]]]", [1, 1], .arrayAmongLeaves, "at /1/1 is an array"),
    ("[[1,2],3]", [1], .leafAmongArrays, "at /1 is not an array"),
    ("[1,[2]]", [1], .arrayAmongLeaves, "at /1 is an array"),
    ("[[[1,2],[3,4]],[[5,6]]]", [1], .ragged(count: 1, expected: 2), "row 1"),
    ("[[[1,2],[3]],[[5,6]]]", [0, 1], .ragged(count: 1, expected: 2), "the array at /0/1"),
    ("[[],[1]]", [1], .ragged(count: 1, expected: 0), "row 1"),
    ("[[1],[]]", [1], .ragged(count: 0, expected: 1), "row 1"),
    ("[[],1]", [1], .leafAmongArrays, "at /1"),
    ("[[],[[]]]", [1], .ragged(count: 1, expected: 0), "row 1"),
    ("[1,true]", [1], .wrongKind(found: "a boolean", expected: "a number"), "a boolean"),
    ("[[true],[0]]", [1, 0], .wrongKind(found: "a number", expected: "a boolean"), "a number"),
    ("[[1,2],[3,\"4\"]]", [1, 1], .wrongKind(found: "a string", expected: "a number"), "string"),
    ("[[1,null],[3,4]]", [0, 1], .wrongKind(found: "null", expected: "a number"), "null"),
    ("[[null,1],[3,4]]", [0, 0], .wrongKind(found: "null", expected: "a number"), "null"),
    ("[[1,2],{\"a\":[1]}]", [1], .wrongKind(found: "an object", expected: "an array"), "object"),
    ("[[1,2],\"x\"]", [1], .wrongKind(found: "a string", expected: "an array"), "/1 is a string"),
    ("[[1,2],[3,4],[5],6,\"x\"]", [2], .ragged(count: 1, expected: 2), "row 2"),
  ]

  @Test func `the first irregularity is named, in any chunking`() {
    for (text, path, fault, message) in Self.irregular {
      let bytes = Array(text.utf8)
      for cut in 0...bytes.count {
        guard case .success(.numbers(let array)) = parse(bytes, cuts: [cut]) else {
          Issue.record("\(text) is not an array")
          continue
        }
        #expect(array.irregularity == .init(path: path, fault: fault), "\(text) cut at \(cut)")
        #expect(array.irregularity?.message.contains(message) == true, "\(text)")
        #expect(throws: TensorError.self) { try array.converted(to: .float64) }
      }
    }
  }

  @Test(arguments: [
    ("[]", [0]), ("[[],[]]", [2, 0]), ("[[[]]]", [1, 1, 0]), ("[1,2,3]", [3]),
    ("[[1,2,3,4]]", [1, 4]), ("[[[1,2,3,4]]]", [1, 1, 4]), (" [ [ 1 , 2 ] , [ 3 , 4 ] ] ", [2, 2]),
    ("[\n[\t1,\r\n2],[3,4]]", [2, 2]), ("[[true],[false]]", [2, 1]),
  ])
  func `shapes`(text: String, shape: [Int]) {
    let array = numbers(text)
    #expect(array?.shape == shape)
    #expect(array?.irregularity == nil)
  }

  @Test func `nothing is held after an irregularity`() {
    let rest = Array(repeating: "[1,2]", count: 10_000).joined(separator: ",")
    let limits = JSONScanner.Limits(heldBytes: 4096)
    #expect(throws: Never.self) { try parse("[[1],\(rest)]", limits: limits).get() }
  }

  @Test func `paths and flat indices`() {
    #expect(TensorIndex.path(of: 0, in: []) == [])
    #expect(TensorIndex.path(of: 23, in: [2, 3, 4]) == [1, 2, 3])
    #expect(TensorIndex.path(of: 5, in: [2, 3]) == [1, 2])
    #expect(TensorIndex.elementCount(of: []) == 1)
    #expect(TensorIndex.elementCount(of: [3, 0, 5]) == 0)
    #expect(TensorIndex.elementCount(of: [1 << 40, 1 << 40]) == nil)
    #expect(TensorIndex.elementCount(of: [0, 1 << 40, 1 << 40]) == nil)
    #expect(TensorIndex.elementCount(of: [2, -1]) == nil)
  }

  // MARK: Conversion

  @Test func `floats round to nearest even, once`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for index in 0..<300_000 {
      var value = Double(bitPattern: random.next())
      switch index % 4 {
      case 0: value = Double(Float16(bitPattern: UInt16(truncatingIfNeeded: random.next())))
      case 1: value = .random(in: -70_000...70_000, using: &random)
      case 2:
        // Halfway between two halves, or next to that.
        let bits = UInt16.random(in: 0..<0x7bff, using: &random)
        let low = Double(Float16(bitPattern: bits))
        value = (low + Double(Float16(bitPattern: bits + 1))) / 2
        if Bool.random(using: &random) { value = value.nextUp }
      default: break
      }
      if value.isNaN { continue }
      try #require(FloatFormat.float16.bits(of: value) == Float16(value).bitPattern, "\(value)")
      let bits = UInt16(truncatingIfNeeded: FloatFormat.bfloat16.bits(of: value))
      // The nearest of the neighbours, by exact comparison in Double.
      let result = double(bfloat16: bits)
      guard result.isFinite, value.magnitude < 1e38 else { continue }
      for near in [double(bfloat16: bits &- 1), double(bfloat16: bits + 1)] where near.isFinite {
        let distance = (value - result).magnitude
        let other = (value - near).magnitude
        try #require(distance < other || distance == other && bits & 1 == 0, "\(value)")
      }
    }
    for bits in UInt16.min ... .max {
      let expected = Double(Float16(bitPattern: bits))
      let found = double(float16: bits)
      #expect(found.bitPattern == expected.bitPattern || expected.isNaN && found.isNaN)
    }
  }

  @Test(arguments: [
    ("[[1,2],[3,1e39]]", DataType.float32, 3), ("[3.4028235677973366e38]", .float32, 0),
    ("[0,65519.99,65520]", .float16, 2), ("[1,-70000]", .float16, 1), ("[1,1e39]", .bfloat16, 1),
    ("[3.397e38]", .bfloat16, 0), ("[1,1e999]", .float64, 1), ("[128]", .int8, 0),
    ("[-128,-129]", .int8, 1), ("[255,256]", .uint8, 1), ("[0,-1]", .uint8, 1),
    ("[32767,32768]", .int16, 1), ("[2147483647,2147483648]", .int32, 1),
    ("[9223372036854775807,9223372036854775808]", .int64, 1), ("[1e999]", .int64, 0),
    ("[18446744073709551615]", .int64, 0), ("[-9223372036854775809]", .int64, 0),
  ])
  func `a number beyond its type is named`(text: String, type: DataType, index: Int) throws {
    let array = try #require(numbers(text))
    #expect {
      try array.converted(to: type)
    } throws: { error in
      guard let error = error as? TensorError else { return false }
      return error
        == .outOfRange(index: index, path: array.path(of: index), type) && error.kind == .value
        && error.index == index
    }
  }

  @Test(arguments: [DataType.int8, .uint8, .int16, .int32, .int64])
  func `integers must be whole`(type: DataType) throws {
    let array = try #require(numbers("[[1,2],[0.5,1e999]]"))
    #expect(throws: TensorError.notWhole(index: 2, path: [1, 0], type)) {
      try array.converted(to: type)
    }
    let whole = try #require(numbers("[[1,2.0],[30e-1,-0]]"))
    let bytes = try whole.converted(to: type)
    #expect(bytes.withUnsafeBytes { type.doubles(in: $0) } == [1, 2, 3, 0])
  }

  @Test func `bytes are little-endian and exact`() throws {
    let array = try #require(
      numbers("[-9223372036854775808,9007199254740993,-1,9223372036854775807]")
    )
    let bytes = try array.converted(to: .int64)
    #expect(bytes[0..<8] == [0, 0, 0, 0, 0, 0, 0, 0x80])
    #expect(bytes[8..<16] == [1, 0, 0, 0, 0, 0, 0x20, 0])
    #expect(bytes[16..<24] == [255, 255, 255, 255, 255, 255, 255, 255])
    #expect(bytes[24..<32] == [255, 255, 255, 255, 255, 255, 255, 0x7f])
    let small = try #require(numbers("[1,-2]"))
    #expect(try small.converted(to: .float32) == [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
    #expect(try small.converted(to: .float16) == [0, 0x3c, 0, 0xc0])
    #expect(try small.converted(to: .bfloat16) == [0x80, 0x3f, 0, 0xc0])
    #expect(try small.converted(to: .float64).count == 16)
    #expect(try small.converted(to: .int8) == [1, 254])
    // Subnormal numbers are numbers like all others.
    let tiny = try #require(numbers("[1e-42,3e-42,2e-42,0,1.4e-45]"))
    #expect(
      try tiny.converted(to: .float32).withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
        == [714, 2141, 1427, 0, 1]
    )
    let edges = try #require(numbers("[65519.99,3.4028235677973362e38]"))
    #expect(throws: Never.self) { try edges.converted(to: .float32) }
  }
}
