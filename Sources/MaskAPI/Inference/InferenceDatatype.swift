// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// The names that the inference protocol has for element types.
///
/// `BF16` is not among the protocol's own; the clients and servers of one vendor have it.
enum InferenceDatatype {
  private static let names: [(name: String, type: DataType)] = [
    ("FP64", .float64), ("FP32", .float32), ("FP16", .float16), ("BF16", .bfloat16),
    ("INT8", .int8), ("UINT8", .uint8), ("INT16", .int16), ("INT32", .int32), ("INT64", .int64),
  ]

  /// The type of a name; nil for one that no model takes.
  static func dataType(_ name: String) -> DataType? {
    names.first { $0.name == name }?.type
  }

  /// The names of the types that the models take, for messages.
  static let list = names.map(\.name).joined(separator: ", ")
}

/// A tensor that a model returns.
struct InferenceTensor {
  enum Content {
    case mask(Mask)
    case floats(UnsafeBufferPointer<Float>)
    case number(Double)
  }

  let name: String
  let content: Content
  let shape: [Int]

  /// A mask, one boolean an entry.
  static func mask(_ mask: Mask) -> InferenceTensor {
    InferenceTensor(name: "mask", content: .mask(mask), shape: [mask.rows, mask.columns])
  }

  /// A single number.
  static func number(_ name: String, _ value: Double) -> InferenceTensor {
    InferenceTensor(name: name, content: .number(value), shape: [1])
  }

  var datatype: String {
    switch content {
    case .mask: "BOOL"
    case .floats: "FP32"
    case .number: "FP64"
    }
  }

  /// The size of the binary form.
  var byteCount: Int {
    switch content {
    case .mask(let mask): mask.rows * mask.columns
    case .floats(let values): values.count * MemoryLayout<Float>.size
    case .number: MemoryLayout<Double>.size
    }
  }

  /// Appends the binary form: row-major and little-endian, a boolean in one byte.
  func append(to bytes: inout [UInt8]) {
    switch content {
    case .mask(let mask): bytes += mask.booleans
    case .floats(let values):
      #if _endian(little)
        bytes += UnsafeRawBufferPointer(values)
      #else
        for value in values {
          withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
        }
      #endif
    case .number(let value):
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
    }
  }

  /// Writes the elements as one flat JSON array.
  func write(to writer: inout JSONWriter) {
    switch content {
    case .mask(let mask):
      mask.bytes.withUnsafeBytes {
        writer.mask(
          packedRows: $0,
          rows: mask.rows,
          columns: mask.columns,
          layout: .flat,
          entry: .word
        )
      }
    case .floats(let values):
      writer.matrix(values, rows: 1, columns: values.count, layout: .flat)
    case .number(let value):
      writer.beginArray()
      writer.value(value)
      writer.endArray()
    }
  }
}

extension Mask {
  /// The mask in row-major order, one byte of 0 or 1 an entry.
  var booleans: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: rows * columns) { target, used in
      let target = UnsafeMutableRawBufferPointer(target)
      bytes.withUnsafeBytes { source in
        for row in 0..<rows where columns > 0 {
          BitPacking.unpack(
            UnsafeRawBufferPointer(
              rebasing: source[(row * rowByteCount)..<((row + 1) * rowByteCount)]
            ),
            into: UnsafeMutableRawBufferPointer(
              rebasing: target[(row * columns)..<((row + 1) * columns)]
            )
          )
        }
      }
      used = rows * columns
    }
  }
}
