// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `POST /v1/compress`: a matrix that obeys 2:4 as kept values and two-bit indices.
struct CompressionRoute: Route {
  let path = "/v1/compress"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let handler = try CompressionHandler(request, context)
    let body = try MatrixBody(request, context, handler)
    return .receive(try BodyReception(request, context, body))
  }
}

/// Compresses the matrix of one request once it is whole.
private final class CompressionHandler: MatrixHandler {
  let field = "weights"
  let parameters: ParameterSet
  let takesTensorFiles = true
  private let context: RequestContext
  private let form: ReplyForm
  private var layout: (CompressedLayout, DataType)?
  private var bytes: [UInt8] = []

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    form = try ReplyForm.negotiated(for: request, among: [.json, .safetensors])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(CompressionParameters.names.union(["rows", "columns", "dtype"]))
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let dataType = try header.numericType(field: field)
    layout = (try layout(parameters, dataType, header.rows, header.columns), dataType)
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let (layout, dataType) = layout else { return }
    self.bytes.append(bytes, of: layout.rows * layout.columns * dataType.byteCount)
  }

  func finish() throws(Problem) -> Response {
    guard let (layout, dataType) = layout else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    return try reply(
      layout,
      FileMatrix(
        bytes: bytes[...],
        dataType: dataType,
        rows: layout.rows,
        columns: layout.columns
      )
    )
  }

  func finish(_ file: TensorFile) throws(Problem) -> Response {
    try file.allowOnly([field])
    let matrix = try file.matrix(field)
    return try reply(
      try layout(parameters, matrix.dataType, matrix.rows, matrix.columns),
      matrix
    )
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(CompressionParameters.names.union(["weights", "dtype"]))
    let matrix = try JSONMatrix(all, field: field)
    let layout = try layout(all, matrix.dataType, matrix.rows, matrix.columns)
    let result = matrix.withView { view in
      Result { () throws(Problem) in try CompressionReply(layout, view) }
    }
    return try result.get().response(form)
  }

  func cancel() {}

  private func layout(
    _ parameters: ParameterSet,
    _ dataType: DataType,
    _ rows: Int,
    _ columns: Int
  ) throws(Problem) -> CompressedLayout {
    let layout = try CompressionParameters(parameters).layout(
      dataType,
      rows: rows,
      columns: columns,
      field: field
    )
    // The matrix, its compressed form, and the reply, of which JSON is the longest form.
    try context.record.reserve(
      rows * columns * (2 * dataType.byteCount + (form == .json ? 16 : dataType.byteCount))
    )
    return layout
  }

  private func reply(
    _ layout: CompressedLayout,
    _ matrix: FileMatrix
  ) throws(Problem) -> Response {
    let result = matrix.withView { view in
      Result { () throws(Problem) in try CompressionReply(layout, view) }
    }
    return try result.get().response(form)
  }
}
