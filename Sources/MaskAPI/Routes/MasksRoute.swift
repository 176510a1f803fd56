// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `POST /v1/masks`: the mask of a weight matrix.
struct MasksRoute: Route {
  let path = "/v1/masks"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let handler = try MaskHandler(request, context)
    let body = try MatrixBody(request, context, handler)
    return .receive(try BodyReception(request, context, body))
  }
}

/// Solves the matrix of one request while it arrives.
private final class MaskHandler: MatrixHandler {
  let field = "weights"
  let parameters: ParameterSet
  private let context: RequestContext
  private let form: ReplyForm
  private var binary: (parameters: MaskParameters, job: MaskJob)?

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    form = try ReplyForm.negotiated(for: request, among: [.json, .npy, .octets])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(MaskParameters.names.union(["rows", "columns", "dtype"]))
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let parameters = try MaskParameters(parameters)
    guard case .numeric(let dataType) = header.element else {
      throw Problem(
        .unprocessableContent, "'weights' must be numbers, not booleans.", pointer: "/weights")
    }
    let job = try job(
      parameters, dataType, header.rows, header.columns, encoding: parameters.encoding ?? .bits)
    binary = (parameters, job)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    do throws(MaskJob.Failure) {
      try binary?.job.append(bytes)
    } catch {
      throw Problem(error, field: field)
    }
  }

  func finish() throws(Problem) -> Response {
    guard let (parameters, job) = binary else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    let result = Result { () throws(MaskJob.Failure) in try job.finish() }
    return try reply(result, job, encoding: parameters.encoding ?? .bits)
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(MaskParameters.names.union(["weights", "dtype"]))
    let parameters = try MaskParameters(all)
    let encoding = parameters.encoding ?? .array
    let matrix = try JSONMatrix(all, field: field)
    let job = try job(
      parameters, matrix.dataType, matrix.rows, matrix.columns, encoding: encoding)
    let result = matrix.withView { view in
      Result { () throws(MaskJob.Failure) in try job.solve(view) }
    }
    return try reply(result, job, encoding: encoding)
  }

  func cancel() { binary?.job.cancel() }

  private func job(
    _ parameters: MaskParameters,
    _ dataType: DataType,
    _ rows: Int,
    _ columns: Int,
    encoding: MaskEncoding
  ) throws(Problem) -> MaskJob {
    let layout = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(parameters.specification, rows: rows, columns: columns)
    }
    let entries = rows * columns
    let replySize =
      switch (form, encoding) {
      case (.npy, _), (.safetensors, _): entries
      case (.octets, _): entries / 8
      case (.json, .bits): entries / 6
      case (.json, .array): 2 * entries
      }
    return try context.makeMaskJob(layout, dataType, parameters, replySize: replySize)
  }

  private func reply(
    _ result: Result<Solution, MaskJob.Failure>,
    _ job: MaskJob,
    encoding: MaskEncoding
  ) throws(Problem) -> Response {
    let solution = try context.solution(of: job, result, field: field)
    let diversity = context.service.diversities.diversity(of: solution.layout)
    var response = MaskReply(solution: solution, diversity: diversity).response(form, encoding)
    let total = ContinuousClock.now - context.record.start
    response.headers[.serverTiming] =
      "queue;dur=\(job.waited.milliseconds), solve;dur=\(job.busyTime.milliseconds), "
      + "total;dur=\(total.milliseconds)"
    return response
  }
}
