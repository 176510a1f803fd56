// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// A matrix in the hardware's layout, as it is sent.
struct CompressionReply {
  let layout: CompressedLayout
  let dataType: DataType
  let values: [UInt8]
  let metadata: [UInt8]
  let summary: CompressionSummary

  /// Compresses a matrix.
  ///
  /// - Throws: 422 naming the first group that breaks the pattern.
  init(_ layout: CompressedLayout, _ matrix: MatrixView) throws(Problem) {
    self.layout = layout
    dataType = matrix.dataType
    let valueByteCount = layout.rows * layout.valueColumns * dataType.byteCount
    let metadataByteCount = layout.rows * layout.metadataRowByteCount
    let values = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, valueByteCount),
      alignment: 16
    )
    defer { values.deallocate() }
    let metadata = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, metadataByteCount))
    defer { metadata.deallocate() }
    do throws(CompressionError) {
      // Both have room for a byte at least, so that there is an address.
      summary = try layout.compress(
        matrix,
        values: values.baseAddress.unsafelyUnwrapped,
        metadata: metadata.baseAddress.unsafelyUnwrapped
      )
    } catch {
      throw Problem(error, field: "weights")
    }
    self.values = Array(values[..<valueByteCount])
    self.metadata = Array(metadata[..<metadataByteCount])
  }

  func response(_ form: ReplyForm) throws(Problem) -> Response {
    guard form == .safetensors else { return .json(json) }
    let figures: [(String, String)] = [
      ("n", "\(layout.form.n)"), ("m", "\(layout.form.m)"), ("rows", "\(layout.rows)"),
      ("columns", "\(layout.columns)"), ("dropped_signs", "\(summary.droppedSigns)"),
      ("engine", Engine.name),
    ]
    return try TensorFileReply(
      items: [
        .init(
          name: "values",
          elementType: .numeric(dataType),
          shape: [layout.rows, layout.valueColumns],
          bytes: values
        ),
        .init(
          name: "metadata",
          elementType: .numeric(.uint8),
          shape: [layout.rows, layout.metadataRowByteCount],
          bytes: metadata
        ),
      ],
      metadata: figures.map { .init(name: $0.0, value: $0.1) }
    ).response()
  }

  private var json: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.name("values")
    values.withUnsafeBytes {
      writer.matrix($0, dataType: dataType, rows: layout.rows, columns: layout.valueColumns)
    }
    writer.name("metadata")
    metadata.withUnsafeBytes {
      writer.matrix(
        $0,
        dataType: .uint8,
        rows: layout.rows,
        columns: layout.metadataRowByteCount
      )
    }
    writer.member("shape", [layout.rows, layout.columns])
    writer.member("dtype", dataType.rawValue)
    writer.member("n", layout.form.n)
    writer.member("m", layout.form.m)
    writer.member("dropped_signs", summary.droppedSigns)
    writer.member("engine", Engine.name)
    writer.endObject()
    return writer.bytes
  }
}
