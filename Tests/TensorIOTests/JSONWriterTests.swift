// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct JSONWriterTests {
  private func text(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func `members, values and commas`() {
    let text = text { writer in
      writer.beginObject()
      writer.member("n", 2)
      writer.member("gap", 0.0)
      writer.member("density", nil as Double?)
      writer.member("big", UInt64.max)
      writer.member("shape", [4, -4])
      writer.member("text", "a")
      writer.member("none", nil as String?)
      writer.name("nested")
      writer.beginArray()
      writer.value(true)
      writer.beginObject()
      writer.member("ok", false)
      writer.endObject()
      writer.beginArray()
      writer.endArray()
      writer.null()
      writer.value(Double.nan)
      writer.value(Double.infinity)
      writer.value(-0.0)
      writer.endArray()
      writer.endObject()
    }
    #expect(
      text == #"{"n":2,"gap":0.0,"density":null,"big":18446744073709551615,"shape":[4,-4],"#
        + #""text":"a","none":null,"nested":[true,{"ok":false},[],null,null,null,-0.0]}"#
    )
  }

  @Test func `strings come back`() {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    var strings = ["", "\"\\/\u{0}\u{1f}\u{7f}\u{2028}😀é", "e\u{301}"]
    for _ in 0..<500 {
      var scalars = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...20, using: &random) {
        let range: ClosedRange<UInt32> = Bool.random(using: &random) ? 0...0x7f : 0...0x10ffff
        if let scalar = UnicodeScalar(UInt32.random(in: range, using: &random)) {
          scalars.append(scalar)
        }
      }
      strings.append(String(scalars))
    }
    for string in strings {
      let written = text { $0.value(string) }
      guard case .success(.string(let read)) = parse(written) else {
        Issue.record("\(written) is not read")
        continue
      }
      #expect(read.utf8.elementsEqual(string.utf8), "\(written)")
    }
  }

  @Test func `numbers come back`() {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for index in 0..<50_000 {
      let double =
        index % 2 == 0
        ? Double(bitPattern: random.next())
        : Double(Int.random(in: -5000...5000, using: &random)) / 8
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      if double.isFinite {
        let written = text { $0.value(double) }
        guard case .success(.number(let number)) = parse(written) else {
          Issue.record("\(written) is not read")
          continue
        }
        #expect(number.value.bitPattern == double.bitPattern, "\(written)")
      }
      if float.isFinite {
        let written = text { $0.value(float) }
        guard case .success(.number(let number)) = parse(written) else {
          Issue.record("\(written) is not read")
          continue
        }
        #expect(Float(written)?.bitPattern == float.bitPattern, "\(written)")
        #expect(Float(number.value).bitPattern == float.bitPattern, "\(written)")
      }
    }
  }

  @Test func `matrices come back`() {
    let values = [0.1, -2, 3e300, .nan, Double.leastNonzeroMagnitude, 6]
    let floats = values.map { Float($0) }
    let nested = text { writer in
      values.withUnsafeBufferPointer { writer.matrix($0, rows: 2, columns: 3) }
    }
    #expect(nested == "[[0.1,-2.0,3e300],[null,5e-324,6.0]]")
    let flat = text { writer in
      floats.withUnsafeBufferPointer { writer.matrix($0, rows: 3, columns: 2, layout: .flat) }
    }
    #expect(flat == "[0.1,-2.0,null,null,0.0,6.0]")
    let empty = UnsafeBufferPointer<Double>(start: nil, count: 0)
    #expect(text { $0.matrix(empty, rows: 2, columns: 0) } == "[[],[]]")
    #expect(text { $0.matrix(empty, rows: 0, columns: 3) } == "[]")
    #expect(text { $0.matrix(empty, rows: 2, columns: 0, layout: .flat) } == "[]")
  }

  @Test func `masks come back`() {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for columns in 0...40 {
      let rows = Int.random(in: 0...5, using: &random)
      let count = rows * BitPacking.rowByteCount(columns: columns)
      // The fill of the rows is noise here, which must not show.
      let packed = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      let entries = (0..<rows).map { row in
        (0..<columns).map { column in
          packed[row * BitPacking.rowByteCount(columns: columns) + column / 8]
            >> UInt8(column % 8) & 1
        }
      }
      let nested = text { writer in
        packed.withUnsafeBytes { writer.mask(packedRows: $0, rows: rows, columns: columns) }
      }
      #expect(nested == "\(entries)".filter { $0 != " " })
      let flat = text { writer in
        packed.withUnsafeBytes {
          writer.mask(packedRows: $0, rows: rows, columns: columns, layout: .flat)
        }
      }
      #expect(flat == "\(entries.flatMap(\.self))".filter { $0 != " " })
      let words = text { writer in
        packed.withUnsafeBytes {
          writer.mask(packedRows: $0, rows: rows, columns: columns, entry: .word)
        }
      }
      #expect(words == "\(entries.map { $0.map { $0 == 1 } })".filter { $0 != " " })
    }
  }

  @Test(arguments: DataType.allCases)
  func `elements of every type come back`(type: DataType) throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let bytes = (0..<(60 * type.byteCount)).map { _ in UInt8.random(in: 0...255, using: &random) }
    for layout in [JSONWriter.Layout.nested, .flat] {
      let text = text { writer in
        bytes.withUnsafeBytes {
          writer.matrix($0, dataType: type, rows: 6, columns: 10, layout: layout)
        }
      }
      // What is not finite is null there, and zero here.
      let array = try #require(
        numbers(text.replacing("null", with: "0"))
      )
      #expect(array.shape == (layout == .nested ? [6, 10] : [60]))
      let back = try array.converted(to: type)
      for index in 0..<60 {
        let range = (index * type.byteCount)..<((index + 1) * type.byteCount)
        let value = bytes[range].withUnsafeBytes { type.doubles(in: $0)[0] }
        let isZero = back[range].allSatisfy { $0 == 0 }
        #expect(value.isFinite ? back[range] == bytes[range] : isZero, "\(value)")
      }
    }
  }

  @Test func `bytes as base64`() {
    #expect(
      text { writer in
        writer.beginArray()
        Array("foob".utf8).withUnsafeBytes { writer.base64($0) }
        writer.value(1)
        writer.endArray()
      } == #"["Zm9vYg==",1]"#
    )
  }
}
