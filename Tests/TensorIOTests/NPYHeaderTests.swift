// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import SyntheticWeights
import Testing

@testable import TensorIO

/// A file of one version whose header is this text, unpadded.
private func file(_ text: String, version: UInt8 = 1) -> [UInt8] {
  let length = text.utf8.count
  let lengthBytes = (0..<(version == 1 ? 2 : 4)).map { UInt8(length >> (8 * $0) & 0xff) }
  return NPYHeader.magic + [version, 0] + lengthBytes + text.utf8
}

private func dictionary(descr: String, shape: String = "(2, 4)") -> String {
  "{'descr': \(descr), 'fortran_order': False, 'shape': \(shape), }\n"
}

private func read(_ bytes: [UInt8]) throws(TensorError) -> HeaderProgress<NPYHeader> {
  try bytes.withUnsafeBufferPointer { (buffer) throws(TensorError) in
    try NPYHeader.read(UnsafeRawBufferPointer(buffer))
  }
}

private func header(_ bytes: [UInt8]) throws -> NPYHeader {
  guard case .complete(let header) = try read(bytes) else {
    throw TensorError.truncatedHeader(.npy, received: bytes.count)
  }
  return header
}

@Suite struct NPYHeaderTests {
  // Files that numpy 2 wrote.
  static let bigEndian =
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDQpLC"
    + "B9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/gAAAQAAA"
    + "AEBAAABAgAAA"
  static let fortran =
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH"
    + "0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAADw"
    + "PwAAAAAAABBAAAAAAAAAAEAAAAAAAAAUQAAAAAAAAAhAAAAAAAAAGEA="
  static let version2 =
    "k05VTVBZAgB0AAAAeydkZXNjcic6ICd8YjEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywpLC"
    + "B9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAE="
  static let version3 =
    "k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjInLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoKSwgfS"
    + "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPg=="

  @Test func `files of numpy`() throws {
    let big = try Base64.decode(Self.bigEndian)
    var header = try header(big)
    #expect(header.elementType == .numeric(.float32) && header.isBigEndian)
    #expect(header.shape == [1, 4] && !header.isFortranOrder && header.descriptor == ">f4")
    #expect(header.dataOffset == 128 && header.dataByteCount == 16)
    try header.check(fileByteCount: big.count)
    var data = Array(big[128...])
    var swap = ByteSwap(elementByteCount: 4)
    data.withUnsafeMutableBytes { swap.advance(in: $0, available: 16) }
    #expect(data.withUnsafeBytes { DataType.float32.doubles(in: $0) } == [1, 2, 3, 4])

    let fortran = try Base64.decode(Self.fortran)
    header = try self.header(fortran)
    #expect(header.isFortranOrder && header.shape == [2, 3])
    var ordered = [UInt8](repeating: 0, count: 48)
    fortran[header.dataOffset...].withUnsafeBytes { source in
      ordered.withUnsafeMutableBytes {
        copyFortranOrder(from: source, to: $0, shape: header.shape, elementByteCount: 8)
      }
    }
    #expect(ordered.withUnsafeBytes { DataType.float64.doubles(in: $0) } == [1, 2, 3, 4, 5, 6])

    header = try self.header(try Base64.decode(Self.version2))
    #expect(header.elementType == .bool && header.shape == [3] && header.dataByteCount == 3)
    header = try self.header(try Base64.decode(Self.version3))
    #expect(header.elementType == .numeric(.float16) && header.shape == [])
    #expect(header.dataByteCount == 2)
  }

  private func header(_ bytes: [UInt8]) throws -> NPYHeader {
    try TensorIOTests.header(bytes)
  }

  @Test(arguments: [UInt8(1), 2, 3])
  func `a header comes in pieces`(version: UInt8) throws {
    let bytes = file(dictionary(descr: "'<f4'"), version: version)
    for count in 0..<bytes.count {
      guard case .incomplete(let needed) = try read(Array(bytes[..<count])) else {
        Issue.record("complete after \(count) bytes")
        continue
      }
      #expect(needed > count && needed <= bytes.count)
    }
    #expect(try header(bytes + [1, 2, 3]).dataOffset == bytes.count)
  }

  @Test(arguments: [
    ("'<f8'", "F64", false), ("'<f4'", "F32", false), ("'<f2'", "F16", false),
    ("'|i1'", "I8", false),
    ("'|u1'", "U8", false), ("'<i2'", "I16", false), ("'<i4'", "I32", false),
    ("'<i8'", "I64", false), ("'|b1'", "BOOL", false), ("'?'", "BOOL", false),
    ("'>f4'", "F32", true), ("'>f2'", "F16", true), ("'>i8'", "I64", true),
    ("'>b1'", "BOOL", false),
    ("'>i1'", "I8", false), ("'=f4'", "F32", false), ("'f4'", "F32", false),
    ("\"<f4\"", "F32", false),
  ])
  func `types and byte orders`(descr: String, name: String, isBigEndian: Bool) throws {
    let header = try header(file(dictionary(descr: descr)))
    #expect(header.elementType.name == name)
    #expect(header.isBigEndian == isBigEndian)
    #expect(header.dataByteCount == 8 * header.elementType.byteCount)
  }

  @Test(arguments: [
    "|O", "<c8", "<c16", "<U4", "|S5", "<M8[s]", "<m8[ns]", "|V8", "<u2", "<u4", "<u8", "<f16", "",
    "<f3", "float32", "<>f4", "bfloat16", "a5", "<F4",
  ])
  func `other types are refused by name`(descr: String) {
    #expect(throws: TensorError.unsupportedType(.npy, name: descr, tensor: nil)) {
      try header(file(dictionary(descr: "'\(descr)'")))
    }
  }

  @Test(arguments: ["[('a', '<f4'), ('b', '<i8')]", "('<f4', (2,))"])
  func `structured types are refused`(descr: String) {
    #expect {
      try header(file(dictionary(descr: descr)))
    } throws: { error in
      guard case TensorError.unsupportedType(.npy, let name, nil) = error else { return false }
      return name.contains(descr.prefix(4)) && name.contains("structured")
    }
  }

  @Test(arguments: [
    ("(2, 4)", [2, 4]), ("(3,)", [3]), ("()", []), ("( 2 ,4 , )", [2, 4]), ("(2L, 4L)", [2, 4]),
    ("(0, 5)", [0, 5]),
  ])
  func `shapes`(text: String, shape: [Int]) throws {
    let header = try header(file(dictionary(descr: "'<f4'", shape: text)))
    #expect(header.shape == shape)
    #expect(header.dataByteCount == shape.reduce(4, *))
  }

  @Test(arguments: [
    "(np.int64(4), 4)", "(-1, 4)", "(2.0, 4)", "(3)", "[2, 4]", "(2 4)", "(2,,4)", "(,)", "(02, 4)",
    "(0x2, 4)", "(2, 4", "((2), 4)", "(True, 4)", "(99999999999999999999, 4)", "4", "None",
    "(\(String(repeating: "1,", count: 65)))", String(repeating: "(", count: 60_000),
  ])
  func `bad shapes are malformed`(text: String) {
    #expect {
      try header(file(dictionary(descr: "'<f4'", shape: text)))
    } throws: { error in
      guard case TensorError.malformedHeader(.npy, _, let offset?) = error else { return false }
      return offset >= 60
    }
  }

  @Test(arguments: [
    "(4294967296, 4294967296)", "(0, 4294967296, 4294967296)", "(4611686018427387904,)",
  ])
  func `a shape too large to address`(text: String) {
    #expect {
      try header(file(dictionary(descr: "'<f4'", shape: text)))
    } throws: { error in
      guard case TensorError.shapeTooLarge = error else { return false }
      return true
    }
  }

  @Test(arguments: [
    ("{'descr': '<f4', 'fortran_order': False}", "no key 'shape'"),
    ("{'descr': '<f4', 'shape': (2,)}", "no key 'fortran_order'"),
    ("{'fortran_order': False, 'shape': (2,)}", "no key 'descr'"),
    ("{}", "no key"),
    ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "repeated"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "'x' is unknown"),
    ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "True or False"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "nothing may follow"),
    ("{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", "} is expected"),
    ("{'descr' '<f4'}", ": is expected"), ("{descr: '<f4'}", "a string"), ("{'descr", "not end"),
    ("", "{ is expected"), ("[]", "{ is expected"), ("{'de\\x73cr': 1}", "escape"),
    ("{'descr': 5}", "a string is expected"), ("{'descr': dtype('O')}", "a string is expected"),
    ("__import__('os').system('true')", "{ is expected"),
  ])
  func `bad dictionaries are malformed`(text: String, word: String) {
    #expect {
      try header(file(text))
    } throws: { error in
      guard let error = error as? TensorError, case .malformedHeader = error else { return false }
      return error.message.contains(word) && error.kind == .syntax
    }
  }

  @Test func `keys in any order`() throws {
    let text = "{ 'shape':(2,),\n'fortran_order':True , 'descr':'<f4'}  \n"
    #expect(try header(file(text)).isFortranOrder)
  }

  @Test func `prefixes that are no header are refused at once`() {
    let start = NPYHeader.magic
    #expect(throws: TensorError.headerTooLong(.npy, length: 0xffff_fff0, limit: 65536)) {
      try read(start + [2, 0, 0xf0, 0xff, 0xff, 0xff])
    }
    #expect(throws: TensorError.headerTooLong(.npy, length: 65537, limit: 65536)) {
      try read(start + [3, 0, 1, 0, 1, 0])
    }
    for (bytes, offset) in [([0x93, 0x4e, 0x55, 0x4d, 0x51], 4), ([0x50], 0), ([0x93, 0x6e], 1)] {
      #expect {
        try read(bytes.map { UInt8($0) })
      } throws: { error in
        guard case TensorError.malformedHeader(.npy, _, offset) = error else { return false }
        return true
      }
    }
    for version in [[0, 0], [4, 0], [1, 1], [255, 255]] as [[UInt8]] {
      #expect(throws: TensorError.self) { try read(start + version) }
    }
  }

  @Test func `the data must be as long as the shape says`() throws {
    let bytes = file(dictionary(descr: "'<f4'"))
    let header = try header(bytes)
    #expect(throws: Never.self) { try header.check(fileByteCount: bytes.count + 32) }
    for difference in [-1, 1, -4, 4] {
      #expect(throws: TensorError.wrongByteCount(expected: 32, received: 32 + difference)) {
        try header.check(fileByteCount: bytes.count + 32 + difference)
      }
    }
  }

  @Test func `random damage never crashes`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let whole = file(dictionary(descr: "'<f4'"))
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      let damaged = bytes
      if case .complete(let header)? = try? read(damaged) {
        #expect(header.dataOffset <= damaged.count && header.dataByteCount >= 0, "\(damaged)")
      }
    }
  }

  @Test func `written headers are numpy's own`() throws {
    let types: [ElementType] =
      [.bool] + DataType.allCases.filter { $0 != .bfloat16 }.map { .numeric($0) }
    for type in types {
      for shape in [[], [3], [2, 4], [1, 2, 3], [123_456_789, 987_654_321]] {
        let bytes = try NPYHeader.bytes(elementType: type, shape: shape)
        #expect(bytes.count % 64 == 0 && bytes.last == UInt8(ascii: "\n"))
        let header = try header(bytes)
        #expect(header.elementType == type && header.shape == shape && !header.isBigEndian)
      }
    }
    // numpy.lib.format.header_data_from_array_1_0 of the version 2 fixture, as version 1.
    let text = String(
      decoding: try NPYHeader.bytes(elementType: .bool, shape: [3])[10...],
      as: UTF8.self
    )
    #expect(text.hasPrefix("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }  "))
    #expect(throws: TensorError.unsupportedType(.npy, name: "BF16", tensor: nil)) {
      try NPYHeader.bytes(elementType: .numeric(.bfloat16), shape: [1])
    }
  }
}
