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
    return .receive(
      BodyReception(try MatrixBody(request, context.service.configuration, handler), context))
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
    binary = (parameters, try job(parameters, dataType, header.rows, header.columns))
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    do { try binary?.job.append(bytes) } catch { throw problem(error) }
  }

  func finish() throws(Problem) -> Response {
    guard let (parameters, job) = binary else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    let solution: Solution
    do { solution = try job.finish() } catch { throw problem(error) }
    return reply(solution, job, encoding: parameters.encoding ?? .bits)
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(MaskParameters.names.union(["weights", "dtype"]))
    let parameters = try MaskParameters(all)
    let matrix = try JSONMatrix(all, field: field)
    let job = try job(parameters, matrix.dataType, matrix.rows, matrix.columns)
    let result = matrix.withView { view in
      Result { () throws(MaskJob.Failure) in try job.solve(view) }
    }
    let solution: Solution
    do { solution = try result.get() } catch { throw problem(error) }
    return reply(solution, job, encoding: parameters.encoding ?? .array)
  }

  func cancel() { binary?.job.cancel() }

  private func job(
    _ parameters: MaskParameters,
    _ dataType: DataType,
    _ rows: Int,
    _ columns: Int
  ) throws(Problem) -> MaskJob {
    let layout = try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(parameters.specification, rows: rows, columns: columns)
    }
    let connection = context.connection
    return MaskJob(layout: layout, dataType: dataType, pool: context.service.pool) {
      connection.isClientGone
    }
  }

  private func problem(_ failure: MaskJob.Failure) -> Problem {
    switch failure {
    case .solve(let error): Problem(error, field: field)
    case .cancelled: Problem(.requestTimeout, "The client closed the connection.")
    }
  }

  private func reply(_ solution: Solution, _ job: MaskJob, encoding: MaskEncoding) -> Response {
    let reply = MaskReply(
      solution: solution, diversity: context.service.diversities.diversity(of: solution.layout))
    var response = reply.response(form, encoding)
    let total = ContinuousClock.now - context.start
    response.headers[.serverTiming] =
      "solve;dur=\(job.busyTime.milliseconds), total;dur=\(total.milliseconds)"
    return response
  }
}

extension Duration {
  /// The duration in milliseconds, to three places, as `Server-Timing` wants it.
  var milliseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000) / 1000
  }
}
