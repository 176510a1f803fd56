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
  func withMasks(_ encoding: MaskEncoding) -> Response {
    let outcomes = report.outcomes
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

  /// A safetensors file of the masks, each under the name of its weights, with the report in the
  /// metadata.
  func file(_ encoding: MaskEncoding) throws(Problem) -> Response {
    let outcomes = report.outcomes
    let layout: SafetensorsLayout
    do throws(TensorError) {
      layout = try SafetensorsLayout(
        items: outcomes.map { outcome in
          encoding == .bits
            ? .init(
              name: outcome.plan.name,
              elementType: .numeric(.uint8),
              shape: [outcome.bits.count]
            )
            : .init(name: outcome.plan.name, elementType: .bool, shape: outcome.plan.shape)
        },
        metadata: [
          .init(name: "mask_encoding", value: encoding == .bits ? "bits" : "bool"),
          .init(name: "report", value: String(decoding: report.json(), as: UTF8.self)),
        ]
      )
    } catch {
      throw Problem(.internalServerError, error.message)
    }
    let count = layout.header.count + layout.dataByteCount
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, used in
      let target = UnsafeMutableRawBufferPointer(target)
      target.copyBytes(from: layout.header)
      for (outcome, tensor) in zip(outcomes, layout.tensors) {
        let start = layout.header.count + tensor.dataRange.lowerBound
        let place = UnsafeMutableRawBufferPointer(
          rebasing: target[start..<(start + tensor.dataRange.count)]
        )
        outcome.bits.withUnsafeBytes { bits in
          if encoding == .bits {
            place.copyMemory(from: bits)
          } else {
            BitPacking.unpack(bits, into: place)
          }
        }
      }
      used = count
    }
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
