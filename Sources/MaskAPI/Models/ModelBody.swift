// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// Takes a model: a safetensors file, whose tensors are solved as they pass, or JSON.
final class ModelBody: BodyConsumer {
  private enum State {
    case undecided([UInt8])
    case json(JSONBody)
    case file(ModelStream)
    case failed
  }

  private let context: RequestContext
  private let query: ParameterSet
  private let contentType: String?
  private let announced: Int?
  /// The form of the reply to a file, and to JSON; each prefers its own.
  private let fileForm: ReplyForm
  private let jsonForm: ReplyForm
  private var state = State.undecided([])
  private var received = 0

  /// Stops what is being solved, also after a fault.
  private var stop: (() -> Void)?

  /// Prepares for the body of `request`.
  ///
  /// - Throws: what can be told before the body is read.
  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    fileForm = try ReplyForm.negotiated(for: request, among: [.safetensors, .json])
    jsonForm = try ReplyForm.negotiated(for: request, among: [.json, .safetensors])
    query = try ParameterSet(queryOf: request)
    try query.allowOnly(ModelParameters.names)
    contentType = request.mediaType
    let configuration = context.service.configuration
    let limit =
      contentType == "application/json"
      ? configuration.maximumJSONBody : configuration.maximumBody
    if let length = request.contentLength, length > limit { throw MatrixBody.tooLarge(limit) }
    announced = try request.contentEncoding() == nil ? request.contentLength : nil
  }

  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    received += bytes.count
    let limit = context.service.configuration.maximumBody
    if received > limit { throw MatrixBody.tooLarge(limit) }
    // The state is taken out while it changes, so that its buffers are not copied.
    let current = state
    state = .failed
    switch current {
    case .undecided(var prefix):
      prefix += bytes
      state = try decide(prefix, isWhole: false)
    case .json(let json):
      try json.consume(bytes)
      state = current
    case .file(let stream):
      try stream.append(bytes)
      state = current
    case .failed: break
    }
  }

  func finish() throws(Problem) -> Response {
    if case .undecided(let prefix) = state, !prefix.isEmpty {
      state = try decide(prefix, isWhole: true)
    }
    switch state {
    case .undecided, .failed:
      throw Problem(.badRequest, "The body is empty; it should hold a model.")
    case .json(let json):
      let value = try json.finish()
      return try solve(value)
    case .file(let stream):
      let reply = reply(try stream.finish())
      switch fileForm {
      case .json: return finished(reply.reportOnly, reply)
      default: return finished(try reply.file(), reply)
      }
    }
  }

  func cancel() { stop?() }

  // MARK: Form

  private func decide(_ prefix: [UInt8], isWhole: Bool) throws(Problem) -> State {
    switch contentType {
    case "application/json": return try beginJSON(prefix)
    case ReplyForm.safetensors.rawValue: return try beginFile(prefix)
    case nil, "application/octet-stream", "application/x-www-form-urlencoded":
      switch prefix.withUnsafeBytes({ BodyFormat.sniff($0, isWhole: isWhole) }) {
      case nil: return .undecided(prefix)
      case .json?: return try beginJSON(prefix)
      case .safetensors?: return try beginFile(prefix)
      case .npy?, .unknown?: break
      }
    case _?: break
    }
    throw Problem(
      .unsupportedMediaType,
      "A model is read from a safetensors file, or from JSON; this is none."
    )
  }

  private func beginJSON(_ prefix: [UInt8]) throws(Problem) -> State {
    let json = JSONBody(context, length: announced)
    try json.consume(prefix)
    return .json(json)
  }

  private func beginFile(_ prefix: [UInt8]) throws(Problem) -> State {
    let stream = ModelStream(
      query,
      context.solving,
      limit: context.service.configuration.maximumBody,
      announced: announced
    )
    stop = stream.cancel
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(Problem) in try stream.append(bytes) }
    }
    try result.get()
    return .file(stream)
  }

  // MARK: JSON

  private func solve(_ value: JSONValue) throws(Problem) -> Response {
    guard case .object(let document) = value else {
      throw Problem(
        .unprocessableContent,
        "The body must be a JSON object, not \(value.kindName).",
        pointer: ""
      )
    }
    var all = query
    try all.add(document)
    try all.allowOnly(ModelParameters.names.union(["tensors", "dtype"]))
    let parameters = try ModelParameters(all)
    let dataType = try all.choice("dtype", DataType.self) ?? .float64
    guard case .json(.object(let object))? = all["tensors"] else {
      throw Problem(
        .unprocessableContent,
        "'tensors' must be an object of names and arrays of numbers.",
        pointer: "/tensors"
      )
    }
    var arrays: [NumericArray] = []
    for member in object.members {
      guard case .numbers(let array) = member.value else {
        throw Problem(
          .unprocessableContent,
          "The tensor '\(member.name)' must be an array of numbers, not \(member.value.kindName).",
          pointer: "/tensors/\(member.name.escapedForPointer)"
        )
      }
      if let irregularity = array.irregularity {
        throw Problem(
          TensorError.irregular(irregularity),
          field: member.name.escapedForPointer
        ).moved(below: "/tensors")
      }
      arrays.append(array)
    }
    let run = try ModelRun(
      parameters,
      zip(object.members, arrays).map { member, array in
        let type = array.leaf == .boolean ? ElementType.bool : .numeric(dataType)
        return (member.name, type.name, type, array.shape)
      },
      context.solving
    )
    let solver = run.solver
    stop = solver.cancel
    for (plan, array) in zip(run.plans, arrays) {
      do throws(Problem) {
        try solver.begin(plan)
        if case .mask = plan.decision {
          let elements: [UInt8]
          do { elements = try array.converted(to: dataType) } catch {
            throw Problem(error, field: plan.name.escapedForPointer)
          }
          let result = elements.withUnsafeBytes { bytes in
            Result { () throws(Problem) in try solver.append(bytes) }
          }
          try result.get()
        }
        try solver.end()
      } catch {
        throw error.moved(below: "/tensors")
      }
    }
    do { try solver.finish() } catch { throw error.moved(below: "/tensors") }
    let reply = reply(run.report)
    switch jsonForm {
    case .safetensors: return finished(try reply.file(), reply)
    default: return finished(reply.withMasks(), reply)
    }
  }

  // MARK: Replies

  /// The reply to a model that is solved, and a note of it for logs and metrics.
  private func reply(_ report: ModelReport) -> ModelReply {
    var work = RequestRecord.Work()
    work.specification = report.parameters.mask.specification
    work.rows = report.outcomes.reduce(0) { $0 + $1.plan.count }
    work.columns = 1
    work.busy = report.busy
    work.isCertificateBroken =
      report.parameters.mask.specification.method == .exact && !report.isOptimal
    context.record.record(work)
    return ModelReply(report: report)
  }

  private func finished(_ response: Response, _ reply: ModelReply) -> Response {
    var response = response
    let total = ContinuousClock.now - context.record.start
    response.headers.append(.serverTiming(["solve": reply.report.busy, "total": total]))
    return response
  }
}
