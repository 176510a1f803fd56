// SPDX-License-Identifier: GPL-3.0-or-later

import SyntheticWeights
import Testing

@testable import TensorIO

@Suite struct BitPackingTests {
  @Test func `bits come lowest first`() {
    // numpy.packbits([1, 0, 1, 1, 0, 0, 0, 1, 0, 1], bitorder="little")
    let entries: [UInt8] = [1, 0, 1, 1, 0, 0, 0, 1, 0, 1]
    var bits: [UInt8] = [0xaa, 0xaa]
    entries.withUnsafeBytes { from in
      bits.withUnsafeMutableBytes { BitPacking.pack(from, into: $0) }
    }
    #expect(bits == [0b1000_1101, 0b10])
  }

  @Test func `any byte but zero counts`() {
    for value in UInt8.min ... .max {
      for place in 0..<8 {
        var entries = [UInt8](repeating: 0, count: 8)
        entries[place] = value
        var bits: [UInt8] = [0xff]
        entries.withUnsafeBytes { from in
          bits.withUnsafeMutableBytes { BitPacking.pack(from, into: $0) }
        }
        #expect(bits == [value == 0 ? 0 : 1 << UInt8(place)])
      }
    }
  }

  @Test func `both layouts agree with bits taken one by one`() {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for _ in 0..<300 {
      let rows = Int.random(in: 0...9, using: &random)
      let columns = Int.random(in: 0...40, using: &random)
      let entries = (0..<(rows * columns)).map { _ in UInt8.random(in: 0...1, using: &random) }
      let rowBytes = BitPacking.rowByteCount(columns: columns)
      var packed = [UInt8](repeating: 0xff, count: rows * rowBytes)
      for row in 0..<rows {
        entries[(row * columns)..<((row + 1) * columns)].withUnsafeBytes { from in
          packed.withUnsafeMutableBytes { to in
            BitPacking.pack(
              from,
              into: UnsafeMutableRawBufferPointer(rebasing: to[(row * rowBytes)...])
            )
          }
        }
      }
      for row in 0..<rows {
        for column in 0..<(8 * rowBytes) {
          let bit = packed[row * rowBytes + column / 8] >> UInt8(column % 8) & 1
          #expect(bit == (column < columns ? entries[row * columns + column] : 0))
        }
      }
      let flat = packed.withUnsafeBytes {
        BitPacking.flatStream(packedRows: $0, rows: rows, columns: columns)
      }
      #expect(flat.count == BitPacking.rowByteCount(columns: rows * columns))
      for index in 0..<(8 * flat.count) {
        let bit = flat[index / 8] >> UInt8(index % 8) & 1
        #expect(bit == (index < entries.count ? entries[index] : 0), "\(rows) x \(columns)")
      }
      #expect(
        flat.withUnsafeBytes {
          BitPacking.packedRows(flatStream: $0, rows: rows, columns: columns)
        } == packed,
        "\(rows) x \(columns)"
      )
      var unpacked = [UInt8](repeating: 9, count: entries.count)
      flat.withUnsafeBytes { from in
        unpacked.withUnsafeMutableBytes { BitPacking.unpack(from, into: $0) }
      }
      #expect(unpacked == entries)
    }
  }

  // MARK: Base64

  private func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    bytes.withUnsafeBytes { Base64.encode($0, into: &text) }
    return String(decoding: text, as: UTF8.self)
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func `the vectors of RFC 4648`(plain: String, text: String) throws {
    #expect(encode(Array(plain.utf8)) == text)
    #expect(try Base64.decode(text) == Array(plain.utf8))
  }

  @Test func `random bytes survive base64`() throws {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    for count in 0..<300 {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(try Base64.decode(encode(bytes)) == bytes)
    }
  }

  @Test(arguments: [
    ("Zg", 2), ("Zg=", 3), ("Zg==Zg==", 2), ("Z===", 1), ("====", 0), ("Zh==", 1), ("Zm9=", 2),
    ("Zm9v\n", 5), ("Zm v", 2), ("Zm-_", 2), ("é==", 0), ("Zg=a", 2),
  ])
  func `bad base64 is refused with its place`(text: String, offset: Int) {
    #expect {
      try Base64.decode(text)
    } throws: { error in
      guard case TensorError.malformedBase64(_, offset) = error else { return false }
      return true
    }
  }
}
