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
  /// A matrix that is wanted whole, and its bytes so far.
  private var held: (dataType: DataType, rows: Int, columns: Int)?
  private var bytes: [UInt8] = []
  let takesTensorFiles = true

  private static let queryNames = MaskParameters.names.union(ScoreParameters.flags)
    .union(["rows", "columns", "dtype"])
  private static let documentNames = MaskParameters.names.union(ScoreParameters.flags)
    .union(ScoreParameters.arrays).union(["weights", "dtype"])

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    form = try ReplyForm.negotiated(for: request, among: [.json, .npy, .octets, .safetensors])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(Self.queryNames)
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    let parameters = try MaskParameters(parameters)
    try parameters.checkEncoding(for: form)
    let dataType = try header.numericType(field: field)
    if ScoreParameters.areGiven(in: self.parameters) {
      try context.record.reserve([UInt8].growthByteCount(to: header.byteCount ?? .max))
      held = (dataType, header.rows, header.columns)
      return
    }
    let job = try job(
      parameters,
      dataType,
      header.rows,
      header.columns,
      encoding: parameters.encoding ?? .bits
    )
    binary = (parameters, job)
  }

  func room() -> UnsafeMutableRawBufferPointer? { binary?.job.room() }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    if let held {
      self.bytes.append(bytes, of: held.rows * held.columns * held.dataType.byteCount)
      return
    }
    do throws(MaskJob.Failure) {
      try binary?.job.append(bytes)
    } catch {
      throw Problem(error, field: field)
    }
  }

  func finish() throws(Problem) -> Response {
    if let held {
      let weights = FileMatrix(
        bytes: bytes[...],
        dataType: held.dataType,
        rows: held.rows,
        columns: held.columns
      )
      return try reply(weights, parameters, try ScoreParameters(parameters), encoding: .bits)
    }
    guard let (parameters, job) = binary else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    let result = Result { () throws(MaskJob.Failure) in try job.finish() }
    return try reply(result, job, encoding: parameters.encoding ?? .bits)
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(Self.documentNames)
    guard !ScoreParameters.areGiven(in: all) else {
      _ = try MaskParameters(all)
      let weights = try JSONMatrix(all, field: field).fileMatrix
      return try reply(weights, all, try ScoreParameters(all), encoding: .array)
    }
    let parameters = try MaskParameters(all)
    try parameters.checkEncoding(for: form)
    let encoding = parameters.encoding ?? .array
    let matrix = try JSONMatrix(all, field: field)
    let job = try job(
      parameters,
      matrix.dataType,
      matrix.rows,
      matrix.columns,
      encoding: encoding
    )
    let result = matrix.withView { view in
      Result { () throws(MaskJob.Failure) in try job.solve(view) }
    }
    return try reply(result, job, encoding: encoding)
  }

  func finish(_ file: TensorFile) throws(Problem) -> Response {
    _ = try MaskParameters(parameters)
    try file.allowOnly(ScoreParameters.arrays.union([field]))
    let scoring = try ScoreParameters(file, parameters)
    return try reply(try file.matrix(field), parameters, scoring, encoding: .bits)
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
    return try context.solving.makeMaskJob(layout, dataType, parameters, replySize: replySize)
  }

  /// Answers a matrix in memory.
  private func reply(
    _ weights: FileMatrix,
    _ all: ParameterSet,
    _ scoring: ScoreParameters,
    encoding: MaskEncoding
  ) throws(Problem) -> Response {
    let parameters = try MaskParameters(all)
    try parameters.checkEncoding(for: form)
    let encoding = parameters.encoding ?? encoding
    // Scores of 8 bytes, and the pruned weights with their text.
    let (size, overflow) = weights.bytes.count.multipliedReportingOverflow(by: 4)
    try context.record.reserve(overflow ? .max : size + 8 * weights.rows * weights.columns)
    var job: MaskJob?
    let scored = try ScoredMask(weights, scoring, context) { dataType throws(Problem) in
      let made = try self.job(
        parameters,
        dataType,
        weights.rows,
        weights.columns,
        encoding: encoding
      )
      job = made
      return made
    }
    let diversity = context.service.diversities.diversity(of: scored.solution.layout)
    var response = try MaskReply(
      solution: scored.solution,
      diversity: diversity,
      additions: scored.additions
    ).response(form, encoding)
    if let job { response.headers.append(timing(job)) }
    return response
  }

  private func timing(_ job: MaskJob) -> HTTPField {
    let total = ContinuousClock.now - context.record.start
    return .serverTiming(["queue": job.waited, "solve": job.busyTime, "total": total])
  }

  private func reply(
    _ result: Result<Solution, MaskJob.Failure>,
    _ job: MaskJob,
    encoding: MaskEncoding
  ) throws(Problem) -> Response {
    let solution = try context.solution(of: job, result, field: field)
    let diversity = context.service.diversities.diversity(of: solution.layout)
    var response = try MaskReply(solution: solution, diversity: diversity).response(form, encoding)
    response.headers.append(timing(job))
    return response
  }
}
