// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// The answer to an inference request: a JSON part, and behind it the outputs asked for as binary.
struct InferenceReply {
  let model: InferenceModel
  let id: String?
  let outputs: [InferenceRequest.Output]
  let result: InferenceResult

  /// - Parameter duration: how long the request took.
  func response(_ duration: Duration) -> Response {
    let chosen = outputs.compactMap { output in
      result.tensors.first { $0.name == output.name }.map { (tensor: $0, output.isBinary) }
    }
    var body = header(chosen)
    var fields: HTTPFields = [.contentType: "application/json"]
    fields.append(.serverTiming(["total": duration]))
    let binary = chosen.filter(\.1).map(\.tensor)
    if !binary.isEmpty {
      fields[.contentType] = "application/octet-stream"
      fields[.inferenceHeaderLength] = String(body.count)
      body.reserveCapacity(binary.reduce(body.count) { $0 + $1.byteCount })
      // What the tensors borrow stays alive until they are written.
      withExtendedLifetime(result.owner) {
        for tensor in binary { tensor.append(to: &body) }
      }
    }
    return Response(status: .ok, headers: fields, body: .bytes(body))
  }

  private func header(_ chosen: [(tensor: InferenceTensor, isBinary: Bool)]) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("model_name", model.rawValue)
    writer.member("model_version", InferenceModel.version)
    if let id { writer.member("id", id) }
    writer.name("parameters")
    writer.beginObject()
    for figure in result.figures {
      switch figure.value {
      case .number(let value): writer.member(figure.name, value)
      case .integer(let value): writer.member(figure.name, value)
      case .boolean(let value): writer.member(figure.name, value)
      case .text(let value): writer.member(figure.name, value)
      }
    }
    writer.member("engine", Engine.name)
    writer.endObject()
    writer.name("outputs")
    writer.beginArray()
    for (tensor, isBinary) in chosen {
      writer.beginObject()
      writer.member("name", tensor.name)
      writer.member("datatype", tensor.datatype)
      writer.member("shape", tensor.shape)
      if isBinary {
        writer.name("parameters")
        writer.beginObject()
        writer.member("binary_data_size", tensor.byteCount)
        writer.endObject()
      } else {
        writer.name("data")
        withExtendedLifetime(result.owner) { tensor.write(to: &writer) }
      }
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }
}
