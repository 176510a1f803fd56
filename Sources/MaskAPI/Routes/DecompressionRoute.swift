// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `POST /v1/decompress`: the matrix that kept values and two-bit indices stand for.
struct DecompressionRoute: Route {
  let path = "/v1/decompress"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let handler = try DecompressionHandler(request, context)
    let body = try MatrixBody(request, context, handler)
    return .receive(try BodyReception(request, context, body))
  }
}

/// Expands the matrix of one request once it is whole.
private final class DecompressionHandler: MatrixHandler {
  let field = "values"
  let parameters: ParameterSet
  let takesTensorFiles = true
  private let context: RequestContext
  private let form: ReplyForm

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    form = try ReplyForm.negotiated(for: request, among: [.json, .npy, .safetensors])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(CompressionParameters.names)
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    throw Problem(
      .unsupportedMediaType,
      "A compressed matrix is two arrays: send JSON or safetensors with 'values' and 'metadata'."
    )
  }

  func append(_ bytes: UnsafeRawBufferPointer) {}

  func finish() throws(Problem) -> Response {
    throw Problem(.internalServerError, "A body was taken that should have been refused.")
  }

  func finish(_ file: TensorFile) throws(Problem) -> Response {
    try file.allowOnly(["values", "metadata"])
    var all = parameters
    // A file that was written here says itself what it is.
    for name in ["n", "m"] where !all.contains(name) {
      if let pair = file.header.metadata.first(where: { $0.name == name }) {
        all.set(name, pair.value)
      }
    }
    let metadata = try file.matrix("metadata")
    guard metadata.dataType == .uint8 else {
      throw Problem(
        .unprocessableContent,
        "'metadata' must be U8, not \(metadata.dataType.rawValue).",
        pointer: "/metadata"
      )
    }
    return try reply(all, try file.matrix("values"), metadata)
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(CompressionParameters.names.union(["values", "metadata", "dtype"]))
    let values = try JSONMatrix(all, field: "values")
    let array = try JSONMatrix.array(all, field: "metadata")
    let metadata: [UInt8]
    do { metadata = try array.converted(to: .uint8) } catch {
      throw Problem(error, field: "metadata")
    }
    return try reply(
      all,
      values.fileMatrix,
      FileMatrix(
        bytes: metadata[...],
        dataType: .uint8,
        rows: array.shape[0],
        columns: array.shape.count == 2 ? array.shape[1] : 0
      )
    )
  }

  func cancel() {}

  private func reply(
    _ parameters: ParameterSet,
    _ values: FileMatrix,
    _ metadata: FileMatrix
  ) throws(Problem) -> Response {
    let parameters = try CompressionParameters(parameters)
    let size = values.dataType.byteCount
    let (columns, overflow) = values.columns.multipliedReportingOverflow(by: 2)
    guard !overflow else {
      throw Problem(.unprocessableContent, "'values' is too wide.", pointer: "/values")
    }
    let layout = try parameters.layout(
      values.dataType,
      rows: values.rows,
      columns: columns,
      field: field
    )
    guard metadata.rows == layout.rows, metadata.columns == layout.metadataRowByteCount else {
      throw Problem(
        .unprocessableContent,
        "'metadata' is \(metadata.rows) x \(metadata.columns) bytes, but 'values' needs "
          + "\(layout.rows) x \(layout.metadataRowByteCount).",
        pointer: "/metadata"
      )
    }
    try context.record.reserve(values.rows * columns * (size + (form == .json ? 16 : size)))
    var bytes = [UInt8](repeating: 0, count: max(1, values.rows * columns * size))
    let result = bytes.withUnsafeMutableBytes { target in
      values.bytes.withUnsafeBytes { values in
        metadata.bytes.withUnsafeBytes { metadata in
          Result { () throws(CompressionError) in
            guard let target = target.baseAddress, let values = values.baseAddress,
              let metadata = metadata.baseAddress
            else { return }
            try layout.decompress(
              values: values,
              metadata: metadata.assumingMemoryBound(to: UInt8.self),
              elementByteCount: size,
              into: target
            )
          }
        }
      }
    }
    do throws(CompressionError) {
      try result.get()
    } catch {
      throw Problem(error, field: field)
    }
    bytes.removeLast(bytes.count - values.rows * columns * size)
    return try response(layout, values.dataType, bytes)
  }

  private func response(
    _ layout: CompressedLayout,
    _ dataType: DataType,
    _ bytes: [UInt8]
  ) throws(Problem) -> Response {
    let shape = [layout.rows, layout.columns]
    switch form {
    case .safetensors:
      return try TensorFileReply(
        items: [
          .init(name: "weights", elementType: .numeric(dataType), shape: shape, bytes: bytes)
        ],
        metadata: []
      ).response()
    case .npy:
      guard
        let header = try? NPYHeader.bytes(elementType: .numeric(dataType), shape: shape)
      else {
        throw Problem(.notAcceptable, ".npy has no type for \(dataType.rawValue).")
      }
      return Response(
        status: .ok,
        headers: [.contentType: form.rawValue],
        body: .bytes(header + bytes)
      )
    case .json, .octets:
      var writer = JSONWriter()
      writer.beginObject()
      writer.name("weights")
      bytes.withUnsafeBytes {
        writer.matrix($0, dataType: dataType, rows: layout.rows, columns: layout.columns)
      }
      writer.member("shape", shape)
      writer.member("dtype", dataType.rawValue)
      writer.member("n", layout.form.n)
      writer.member("m", layout.form.m)
      writer.member("engine", Engine.name)
      writer.endObject()
      return .json(writer.bytes)
    }
  }
}
