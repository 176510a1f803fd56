// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// The masks of a model, with the report on them.
struct ModelReply {
  let report: ModelReport

  /// The report alone.
  var reportOnly: Response { .json(report.json()) }

  /// The report, and in it the masks.
  func withMasks() -> Response {
    let outcomes = report.outcomes
    let encoding = report.encoding
    return .json(
      report.json { writer in
        writer.name("masks")
        writer.beginObject()
        for outcome in outcomes {
          writer.name(outcome.plan.name)
          switch encoding {
          case .array:
            write(&writer, outcome.bits, outcome.plan.shape[...], offset: 0)
          case .bits:
            writer.beginObject()
            writer.member("encoding", "bits-le-base64")
            writer.name("data")
            outcome.bits.withUnsafeBytes { writer.base64($0) }
            writer.endObject()
          }
        }
        writer.endObject()
      }
    )
  }

  /// A safetensors file of the masks, with the report in the metadata.
  func file() throws(Problem) -> Response {
    let file = try ModelMaskFile(report)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.byteCount)
    file.write { bytes.append(contentsOf: $0) }
    return Response(
      status: .ok,
      headers: [.contentType: ReplyForm.safetensors.rawValue],
      body: .bytes(bytes)
    )
  }

  /// Writes the mask of a tensor, nested as its shape is.
  private func write(
    _ writer: inout JSONWriter,
    _ bits: [UInt8],
    _ shape: ArraySlice<Int>,
    offset: Int
  ) {
    guard let extent = shape.first else {
      writer.value(Int(bits[offset / 8] >> UInt8(offset % 8) & 1))
      return
    }
    let rest = shape.dropFirst()
    let step = rest.reduce(1, *)
    writer.beginArray()
    for index in 0..<extent { write(&writer, bits, rest, offset: offset + index * step) }
    writer.endArray()
  }
}
