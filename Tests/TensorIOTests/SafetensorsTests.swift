// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import SyntheticWeights
import Testing

@testable import TensorIO

/// A file of this header text and so many bytes of data.
private func file(_ text: String, data: Int = 0) -> [UInt8] {
  let length = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) }
  return length + text.utf8 + [UInt8](repeating: 7, count: data)
}

private func read(_ bytes: [UInt8]) throws(TensorError) -> HeaderProgress<SafetensorsHeader> {
  try bytes.withUnsafeBufferPointer { (buffer) throws(TensorError) in
    try SafetensorsHeader.read(UnsafeRawBufferPointer(buffer))
  }
}

private func header(_ bytes: [UInt8]) throws -> SafetensorsHeader {
  guard case .complete(let header) = try read(bytes) else {
    throw TensorError.truncatedHeader(.safetensors, received: bytes.count)
  }
  return header
}

private func entry(_ dtype: String, _ shape: String, _ offsets: String) -> String {
  #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
}

@Suite struct SafetensorsTests {
  // A file that version 0.8 of the Python library wrote.
  static let python =
    "EAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJ3aG8iOiLDqVxuIiwiZm9ybWF0IjoibnAifSwicyI6eyJkdHlwZSI6Ik"
    + "k2NCIsInNoYXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpbMCw4XX0sInciOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIs"
    + "M10sImRhdGFfb2Zmc2V0cyI6WzgsMzJdfSwiZSI6eyJkdHlwZSI6IkYxNiIsInNoYXBlIjpbMCw0XSwiZGF0YV9vZm"
    + "ZzZXRzIjpbMzIsMzJdfSwibWFzayI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlsz"
    + "MiwzNF19fSAgIAcAAAAAAAAAAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAAQA="

  @Test func `a file of the Python library`() throws {
    let bytes = try Base64.decode(Self.python)
    let header = try header(bytes)
    try header.check(fileByteCount: bytes.count)
    #expect(
      Set(header.metadata) == [
        .init(name: "format", value: "np"), .init(name: "who", value: "é\n"),
      ]
    )
    let tensors = Dictionary(uniqueKeysWithValues: header.tensors.map { ($0.name, $0) })
    #expect(tensors["s"]?.elementType == .numeric(.int64) && tensors["s"]?.shape == [])
    #expect(tensors["e"]?.elementType == .numeric(.float16) && tensors["e"]?.shape == [0, 4])
    #expect(tensors["mask"]?.elementType == .bool && tensors["mask"]?.shape == [2])
    let weights = try #require(tensors["w"])
    #expect(weights.shape == [2, 3])
    let data = bytes[header.dataOffset...][
      (header.dataOffset + weights.dataRange.lowerBound)..<(header.dataOffset
        + weights.dataRange.upperBound)
    ]
    #expect(data.withUnsafeBytes { DataType.float32.doubles(in: $0) } == [0, 1, 2, 3, 4, 5])
  }

  @Test func `a header comes in pieces`() throws {
    let bytes = file("{\"w\":\(entry("F32", "[2,2]", "[0,16]"))}  ", data: 16)
    for count in 0..<(bytes.count - 16) {
      guard case .incomplete(let needed) = try read(Array(bytes[..<count])) else {
        Issue.record("complete after \(count) bytes")
        continue
      }
      #expect(needed > count && needed <= bytes.count - 16)
    }
    let header = try header(bytes)
    #expect(header.dataOffset == bytes.count - 16 && header.dataByteCount == 16)
    for difference in [-1, 1] {
      #expect(throws: TensorError.wrongByteCount(expected: 16, received: 16 + difference)) {
        try header.check(fileByteCount: bytes.count + difference)
      }
    }
  }

  @Test func `tensors come in the order of their data`() throws {
    let header = try header(
      file(
        """
        {"b":\(entry("U8", "[4]", "[4,8]")),"z":\(entry("F32", "[0]", "[4,4]")),\
        "a":\(entry("I16", "[2]", "[0,4]")),"end":\(entry("F64", "[3,0]", "[8,8]"))}
        """
      )
    )
    #expect(header.tensors.map(\.name) == ["a", "z", "b", "end"])
    #expect(header.dataByteCount == 8)
    #expect(try self.header("{}").tensors.isEmpty)
  }

  private func header(_ text: String) throws -> SafetensorsHeader { try header(file(text)) }
  private func header(_ bytes: [UInt8]) throws -> SafetensorsHeader {
    try TensorIOTests.header(bytes)
  }

  @Test func `types`() throws {
    for type in DataType.allCases {
      let text = "{\"w\":\(entry(type.rawValue, "[3]", "[0,\(3 * type.byteCount)]"))}"
      #expect(try header(text).tensors.first?.elementType == .numeric(type))
    }
    for (name, bytes) in [
      ("F8_E4M3", 8), ("F8_E5M2", 8), ("U16", 16), ("U32", 32), ("U64", 64), ("C64", 64), ("F4", 4),
      ("F6_E2M3", 6),
    ] {
      let tensor = try #require(
        try header("{\"w\":\(entry(name, "[8]", "[0,\(bytes)]"))}").tensors.first
      )
      #expect(tensor.elementType == nil && tensor.typeName == name)
    }
    #expect(throws: TensorError.unsupportedType(.safetensors, name: "F99", tensor: "w")) {
      try header("{\"w\":\(entry("F99", "[8]", "[0,8]"))}")
    }
  }

  @Test(arguments: [
    // Offsets against shape.
    (entry("F32", "[1000,1000]", "[0,4]"), "needs 4000000 bytes"),
    (entry("F32", "[1]", "[4,0]"), "data_offsets"), (entry("F32", "[1]", "[0]"), "data_offsets"),
    (entry("F32", "[1]", "[0.5,4.5]"), "data_offsets"),
    (entry("F32", "[1]", "[0,4,8]"), "data_off"),
    (entry("F32", "[1]", "[-4,0]"), "data_offsets"), (entry("F32", "[1]", "null"), "data_offsets"),
    (entry("F32", "[1]", "[[0,4]]"), "data_offsets"),
    (entry("F32", "[1]", "[0,\"4\"]"), "data_off"),
    (entry("F32", "[1]", "[0,1e999]"), "data_offsets"),
    (entry("F32", "[1]", "[18446744073709551615,18446744073709551619]"), "data_offsets"),
    (entry("F32", "[1]", "[false,true]"), "data_offsets"),
    (entry("F4", "[3]", "[0,1]"), "needs"),
    // Shapes.
    (entry("F32", "[-1]", "[0,4]"), "shape"), (entry("F32", "[1.5]", "[0,6]"), "shape"),
    (entry("F32", "[[1]]", "[0,4]"), "shape"), (entry("F32", "4", "[0,4]"), "shape"),
    (entry("F32", "[true]", "[0,4]"), "shape"), (entry("F32", "[\"1\"]", "[0,4]"), "shape"),
    (entry("F32", "[4294967296,4294967296]", "[0,0]"), "more elements"),
    (entry("F32", "[0,4294967296,4294967296]", "[0,0]"), "more elements"),
    (entry("F64", "[2305843009213693952]", "[0,0]"), "more elements"),
    (
      entry("F32", "[\(Array(repeating: "1", count: 65).joined(separator: ","))]", "[0,4]"),
      "dimens"
    ),
    // Missing or mistyped fields.
    (#"{"dtype":"F32","shape":[1]}"#, "data_offsets"), (#"{"dtype":"F32"}"#, "shape"),
    (#"{"dtype":4,"shape":[1],"data_offsets":[0,4]}"#, "dtype"), ("[1]", "an array"),
    ("{}", "dtype"),
    ("null", "null"),
  ])
  func `what an entry says must hold`(entry: String, word: String) {
    #expect {
      try header(file("{\"layer.w\":\(entry)}", data: 4))
    } throws: { error in
      guard let error = error as? TensorError, case .badLayout("layer.w", _) = error else {
        return false
      }
      return error.message.contains(word) && error.message.contains("layer.w")
        && error.kind == .syntax
    }
  }

  @Test func `duplicates, overlaps and holes`() {
    let first = entry("F32", "[4]", "[0,16]")
    let second = entry("F32", "[4]", "[16,32]")
    #expect(throws: TensorError.duplicateTensor(name: "w")) {
      try header("{\"w\":\(first),\"w\":\(second)}")
    }
    #expect(throws: TensorError.duplicateTensor(name: "w")) {
      try header("{\"w\":\(first),\"\\u0077\":\(second)}")
    }
    for (text, word) in [
      ("{\"a\":\(first),\"b\":\(first)}", "overlaps that of tensor a"),
      ("{\"a\":\(first),\"b\":\(entry("F32", "[4]", "[8,24]"))}", "overlaps that of tensor a"),
      ("{\"a\":\(first),\"b\":\(entry("F32", "[4]", "[20,36]"))}", "hole of 4 bytes"),
      ("{\"b\":\(second)}", "hole of 16 bytes"),
      ("{\"a\":\(first),\"e\":\(entry("F32", "[0]", "[8,8]"))}", "overlaps"),
      ("{\"a\":\(first),\"e\":\(entry("F32", "[0]", "[99,99]"))}", "hole"),
    ] {
      #expect {
        try header(text)
      } throws: { error in
        guard let error = error as? TensorError, case .badLayout = error else { return false }
        return error.message.contains(word)
      }
    }
  }

  @Test func `names`() throws {
    let good = entry("U8", "[0]", "[0,0]")
    #expect(throws: TensorError.self) { try header("{\"a\\u0000b\":\(good)}") }
    let long = String(repeating: "x", count: 1 << 20)
    #expect {
      try header("{\"\(long)\":\(good)}")
    } throws: { error in
      guard let error = error as? TensorError, case .badLayout = error else { return false }
      return error.message.utf8.count < 300
    }
    #expect(try header("{\"\":\(good),\"é\":\(good)}").tensors.map(\.name) == ["", "é"])
  }

  @Test(arguments: [
    (#"{"__metadata__":{"a":1}}"#, "a number as its a"), (#"{"__metadata__":[]}"#, "not an object"),
    (#"{"__metadata__":{"a":{}}}"#, "an object as its a"),
    (#"{"__metadata__":{"a":null}}"#, "null"),
    (#"{"__metadata__":{"a":"1","a":"2"}}"#, "\"a\""),
    (#"{"w":{"dtype":"U8","dtype":"U8"}}"#, "dtype"),
    ("{", "too soon"), ("{}x", "nothing may follow"), (#"{"a":NaN}"#, "NaN"),
    ("{{", "name in quotes"),
    (#"{"a":[[[[[[["#, "nesting"),
  ])
  func `malformed headers`(text: String, word: String) {
    #expect {
      try header(text.count < 2 ? text + " " : text)
    } throws: { error in
      guard let error = error as? TensorError, case .malformedHeader = error else { return false }
      return error.message.contains(word)
    }
  }

  @Test func `lengths are checked before anything else`() {
    func start(_ length: UInt64) -> [UInt8] {
      withUnsafeBytes(of: length.littleEndian) { Array($0) }
    }
    for length in [1 << 63, .max, 16 << 20 + 1] as [UInt64] {
      #expect(
        throws: TensorError.headerTooLong(.safetensors, length: length, limit: 16 << 20)
      ) { try read(start(length)) }
    }
    for length in [0, 1] as [UInt64] {
      #expect(throws: TensorError.self) { try read(start(length)) }
    }
    #expect(throws: TensorError.self) { try read(start(100) + [UInt8(ascii: "[")]) }
    #expect(throws: TensorError.self) { try read(start(100) + [UInt8(ascii: " ")]) }
  }

  @Test func `random damage never crashes`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let whole = try Base64.decode(Self.python)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      let damaged = bytes
      guard case .complete(let header)? = try? read(damaged) else { continue }
      var end = 0
      for tensor in header.tensors {
        #expect(tensor.dataRange.lowerBound == end, "\(damaged)")
        end = tensor.dataRange.upperBound
      }
      #expect(end == header.dataByteCount)
    }
  }

  @Test func `written headers are read`() throws {
    let layout = try SafetensorsLayout(
      items: [
        .init(name: "w", elementType: .numeric(.float32), shape: [3, 5]),
        .init(name: "a \"quoted\" é", elementType: .bool, shape: [7]),
        .init(name: "", elementType: .numeric(.int64), shape: []),
        .init(name: "e", elementType: .numeric(.bfloat16), shape: [2, 0]),
      ],
      metadata: [.init(name: "report", value: "{\"n\":2}\n")]
    )
    #expect(layout.header.count % 8 == 0)
    let header = try header(layout.header)
    #expect(header.dataOffset == layout.header.count)
    #expect(header.dataByteCount == layout.dataByteCount && layout.dataByteCount == 75)
    #expect(header.tensors == layout.tensors)
    #expect(header.metadata == [.init(name: "report", value: "{\"n\":2}\n")])
    #expect(try self.header(SafetensorsLayout(items: []).header).tensors.isEmpty)
  }

  @Test func `what no reader would take is not written`() {
    let item = SafetensorsLayout.Item(name: "w", elementType: .bool, shape: [1])
    #expect(throws: TensorError.duplicateTensor(name: "w")) {
      try SafetensorsLayout(items: [item, item])
    }
    for name in ["__metadata__", "a\0b", String(repeating: "x", count: 4097)] {
      #expect(throws: TensorError.self) {
        try SafetensorsLayout(items: [.init(name: name, elementType: .bool, shape: [1])])
      }
    }
    #expect(throws: TensorError.shapeTooLarge(shape: [.max, 2])) {
      try SafetensorsLayout(items: [.init(name: "w", elementType: .bool, shape: [.max, 2])])
    }
    #expect(throws: TensorError.shapeTooLarge(shape: [.max])) {
      try SafetensorsLayout(items: [item, .init(name: "v", elementType: .bool, shape: [.max])])
    }
    let pair = SafetensorsHeader.Metadata(name: "a", value: "1")
    #expect(throws: TensorError.self) { try SafetensorsLayout(items: [], metadata: [pair, pair]) }
  }
}

@Suite struct BodyFormatTests {
  private func sniff(_ bytes: [UInt8], isWhole: Bool) -> BodyFormat? {
    bytes.withUnsafeBytes { BodyFormat.sniff($0, isWhole: isWhole) }
  }

  @Test func `formats by their first bytes`() throws {
    let safetensors = try SafetensorsLayout(
      items: [.init(name: "w", elementType: .bool, shape: [1])]
    ).header
    let npy = try NPYHeader.bytes(elementType: .bool, shape: [1])
    for (bytes, format) in [
      (npy, .npy), (safetensors, .safetensors), (Array("{\"a\":1}".utf8), .json),
      (Array(" \n[[1,2],[3,4]]".utf8), .json), (Array("1".utf8), .json),
      (Array("null".utf8), .json),
      (Array("NaN".utf8), .unknown), ([0, 0, 0x80, 0x3f], .unknown), ([], .unknown),
      ([0x93, 0x4e], .unknown), (Array("PK\u{3}\u{4}........".utf8), .unknown),
      ([0x1f, 0x8b], .unknown),
    ] as [([UInt8], BodyFormat)] {
      #expect(sniff(bytes, isWhole: true) == format)
      // A prefix is undecided or decided as the whole is.
      for count in 0..<bytes.count {
        let early = sniff(Array(bytes[..<count]), isWhole: false)
        #expect(early == nil || early == format, "\(bytes[..<count])")
        if count >= BodyFormat.decisiveByteCount { #expect(early != nil) }
      }
    }
    // A header of 123 bytes begins with a brace; so does one whose length has a digit in it.
    #expect(sniff([0x7b, 0, 0, 0, 0, 0, 0, 0, 0x7b], isWhole: false) == .safetensors)
  }
}
