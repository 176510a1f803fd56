// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// A safetensors file as an answer.
struct TensorFileReply {
  /// A tensor and its bytes.
  struct Item {
    let name: String
    let elementType: ElementType
    let shape: [Int]
    let bytes: [UInt8]
  }

  let items: [Item]
  let metadata: [SafetensorsHeader.Metadata]

  /// - Throws: 500 where the header cannot be written, which the names have been checked for.
  func response() throws(Problem) -> Response {
    let layout: SafetensorsLayout
    do throws(TensorError) {
      layout = try SafetensorsLayout(
        items: items.map { .init(name: $0.name, elementType: $0.elementType, shape: $0.shape) },
        metadata: metadata
      )
    } catch {
      throw Problem(.internalServerError, error.message)
    }
    var bytes = layout.header
    bytes.reserveCapacity(bytes.count + layout.dataByteCount)
    for item in items { bytes += item.bytes }
    return Response(
      status: .ok,
      headers: [.contentType: ReplyForm.safetensors.rawValue],
      body: .bytes(bytes)
    )
  }
}
