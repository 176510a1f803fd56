// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `POST /v1/gradients`: a sparse, unbiased estimate of a gradient matrix.
struct GradientsRoute: Route {
  let path = "/v1/gradients"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let handler = try GradientHandler(request, context)
    let body = try MatrixBody(request, context, handler)
    return .receive(try BodyReception(request, context, body))
  }
}

/// Estimates the matrix of one request once it is whole.
private final class GradientHandler: MatrixHandler {
  let field = "gradients"
  let parameters: ParameterSet
  private let context: RequestContext
  private let form: ReplyForm
  private var binary: (dataType: DataType, job: GradientJob)?
  private var bytes: [UInt8] = []

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    form = try ReplyForm.negotiated(for: request, among: [.json, .npy, .octets])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(GradientParameters.names.union(["rows", "columns", "dtype"]))
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let parameters = try GradientParameters(parameters)
    let dataType = try header.numericType(field: field)
    binary = (dataType, try job(parameters, header.rows, header.columns))
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let (dataType, job) = binary else { return }
    self.bytes.append(bytes, of: job.rows * job.columns * dataType.byteCount)
  }

  func finish() throws(Problem) -> Response {
    guard let (dataType, job) = binary else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(GradientJob.Failure) in
        try run(
          job,
          MatrixView(bytes, dataType: dataType, rows: job.rows, columns: job.columns)
        )
      }
    }
    return try reply(job, result)
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(GradientParameters.names.union(["gradients", "dtype"]))
    let parameters = try GradientParameters(all)
    let matrix = try JSONMatrix(all, field: field)
    let job = try job(parameters, matrix.rows, matrix.columns)
    let result = matrix.withView { view in
      Result { () throws(GradientJob.Failure) in try run(job, view) }
    }
    return try reply(job, result)
  }

  func cancel() {}

  private func job(
    _ parameters: GradientParameters,
    _ rows: Int,
    _ columns: Int
  ) throws(Problem) -> GradientJob {
    guard form == .json || !parameters.wantsProbabilities else {
      throw Problem(
        .unprocessableContent,
        "'probabilities' are for replies in JSON; this one is '\(form.rawValue)'.",
        pointer: "/probabilities"
      )
    }
    let entries = rows.multipliedReportingOverflow(by: columns)
    if !entries.overflow {
      // The gradients as they came, the estimate, and the reply, of which JSON is the longest form.
      let reply = form == .json ? 24 : 8
      let (bytes, overflow) = entries.partialValue.multipliedReportingOverflow(by: 20 + reply)
      try context.record.reserve(overflow ? .max : bytes)
    }
    do throws(GradientError) {
      return try GradientJob(parameters, rows: rows, columns: columns)
    } catch {
      throw Problem(error)
    }
  }

  private func run(_ job: GradientJob, _ matrix: MatrixView) throws(GradientJob.Failure) {
    let connection = context.connection
    try job.run(matrix, on: context.service.pool) { connection.isClientGone }
  }

  private func reply(
    _ job: GradientJob,
    _ result: Result<Void, GradientJob.Failure>
  ) throws(Problem) -> Response {
    do throws(GradientJob.Failure) {
      try result.get()
    } catch {
      switch error {
      case .gradient(let error): throw Problem(error)
      case .cancelled: throw Problem(.requestTimeout, "The client closed the connection.")
      }
    }
    var response = try GradientReply(job: job).response(form)
    let total = ContinuousClock.now - context.record.start
    response.headers.append(.serverTiming(["total": total]))
    return response
  }
}
