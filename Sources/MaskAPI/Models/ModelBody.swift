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
    /// The bytes of an unfinished header.
    case header([UInt8])
    case data
    case failed
  }

  /// What is known once the header, or the whole of a JSON body, has been read.
  private struct Model {
    let parameters: ModelParameters
    let plans: [TensorPlan]
    let solver: ModelSolver
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

  private var model: Model?
  private var tensors: [SafetensorsHeader.Tensor] = []
  /// The tensor whose data come next, and how many of its bytes have come.
  private var tensorIndex = 0
  private var filled = 0

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
    case .header(var prefix):
      prefix += bytes
      state = try readHeader(prefix)
    case .data:
      try distribute(bytes)
      state = .data
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
    case .header(let prefix):
      throw Problem(
        .badRequest,
        TensorError.truncatedHeader(.safetensors, received: prefix.count).message
      )
    case .json(let json):
      let value = try json.finish()
      return try solve(value)
    case .data:
      guard let model, tensorIndex == tensors.count else { throw wrongLength(received) }
      try model.solver.finish()
      let reply = reply(model)
      switch fileForm {
      case .json: return finished(reply.reportOnly, reply)
      default: return finished(try reply.file(model.parameters.mask.encoding ?? .array), reply)
      }
    }
  }

  func cancel() { model?.solver.cancel() }

  // MARK: Form

  private func decide(_ prefix: [UInt8], isWhole: Bool) throws(Problem) -> State {
    switch contentType {
    case "application/json": return try beginJSON(prefix)
    case ReplyForm.safetensors.rawValue: return try readHeader(prefix)
    case nil, "application/octet-stream", "application/x-www-form-urlencoded":
      switch prefix.withUnsafeBytes({ BodyFormat.sniff($0, isWhole: isWhole) }) {
      case nil: return .undecided(prefix)
      case .json?: return try beginJSON(prefix)
      case .safetensors?: return try readHeader(prefix)
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
    let json = JSONBody(context, length: nil)
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(Problem) in try json.consume(bytes) }
    }
    try result.get()
    return .json(json)
  }

  // MARK: Files

  private func readHeader(_ prefix: [UInt8]) throws(Problem) -> State {
    guard let header = try TensorFile.header(prefix) else { return .header(prefix) }
    if let announced {
      do throws(TensorError) {
        try header.check(fileByteCount: announced)
      } catch {
        throw Problem(.badRequest, error.message)
      }
    }
    // Before any size is reckoned with that no body within the limit can have.
    let limit = context.service.configuration.maximumBody
    guard header.dataByteCount <= limit else { throw MatrixBody.tooLarge(limit) }
    tensors = header.tensors
    let parameters = try ModelParameters(query)
    try begin(
      parameters,
      tensors.map { ($0.name, $0.typeName, $0.elementType, $0.shape) }
    )
    try beginTensor()
    let result = prefix[header.dataOffset...].withUnsafeBytes { bytes in
      Result { () throws(Problem) in try distribute(bytes) }
    }
    try result.get()
    return .data
  }

  /// Hands bytes to the tensors that they belong to.
  private func distribute(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    var rest = bytes
    while !rest.isEmpty {
      guard tensorIndex < tensors.count, let solver = model?.solver else {
        throw wrongLength(received)
      }
      let size = tensors[tensorIndex].dataRange.count
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(size - filled))
      try solver.append(part)
      filled += part.count
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      if filled == size {
        try solver.end()
        tensorIndex += 1
        try beginTensor()
      }
    }
  }

  /// Begins the next tensor that has data, and does those before it, which have none.
  private func beginTensor() throws(Problem) {
    filled = 0
    while let model, tensorIndex < tensors.count {
      try model.solver.begin(model.plans[tensorIndex])
      guard tensors[tensorIndex].dataRange.isEmpty else { return }
      try model.solver.end()
      tensorIndex += 1
    }
  }

  private func wrongLength(_ received: Int) -> Problem {
    let expected = tensors.last?.dataRange.upperBound ?? 0
    return Problem(
      .badRequest,
      "The file is not as long as its header says: the tensors have \(expected) bytes, but the "
        + "whole body \(received)."
    )
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
    try begin(
      parameters,
      zip(object.members, arrays).map { member, array in
        let type = array.leaf == .boolean ? ElementType.bool : .numeric(dataType)
        return (member.name, type.name, type, array.shape)
      }
    )
    guard let model else {
      throw Problem(.internalServerError, "The model was never begun.")
    }
    let solver = model.solver
    for (plan, array) in zip(model.plans, arrays) {
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
    let reply = reply(model)
    let encoding = parameters.mask.encoding ?? .array
    switch jsonForm {
    case .safetensors: return finished(try reply.file(encoding), reply)
    default: return finished(reply.withMasks(encoding), reply)
    }
  }

  // MARK: Both

  /// Decides about all tensors before any is solved.
  private func begin(
    _ parameters: ModelParameters,
    _ tensors: [(name: String, typeName: String, elementType: ElementType?, shape: [Int])]
  ) throws(Problem) {
    try parameters.check(tensors.map(\.name))
    var plans: [TensorPlan] = []
    for tensor in tensors {
      plans.append(
        try TensorPlan(
          name: tensor.name,
          typeName: tensor.typeName,
          elementType: tensor.elementType,
          shape: tensor.shape,
          parameters
        )
      )
    }
    if parameters.isStrict { try Self.checkAllMasked(plans) }
    model = Model(
      parameters: parameters,
      plans: plans,
      solver: ModelSolver(parameters, context)
    )
  }

  /// Refuses a model of which a tensor would be skipped that was not excluded.
  private static func checkAllMasked(_ plans: [TensorPlan]) throws(Problem) {
    var faults: [String] = []
    for plan in plans {
      switch plan.decision {
      case .mask, .skip(.excluded): break
      case .skip(let reason): faults.append("'\(plan.name)': \(reason.text)")
      }
    }
    guard !faults.isEmpty else { return }
    let more = faults.count > 5 ? "; and \(faults.count - 5) more" : ""
    throw Problem(
      .unprocessableContent,
      "With 'strict' no tensor may be skipped, but \(faults.count) would be: "
        + faults.prefix(5).joined(separator: "; ") + more + ".",
      pointer: "/strict"
    )
  }

  /// The reply to a model that is solved, and a note of it for logs and metrics.
  private func reply(_ model: Model) -> ModelReply {
    let report = ModelReport(
      plans: model.plans,
      outcomes: model.solver.outcomes,
      parameters: model.parameters,
      diversities: context.service.diversities
    )
    var work = RequestRecord.Work()
    work.specification = model.parameters.mask.specification
    work.rows = report.outcomes.reduce(0) { $0 + $1.plan.count }
    work.columns = 1
    work.busy = report.busy
    work.isCertificateBroken =
      model.parameters.mask.specification.method == .exact && !report.isOptimal
    context.record.record(work)
    return ModelReply(report: report)
  }

  private func finished(_ response: Response, _ reply: ModelReply) -> Response {
    var response = response
    let total = ContinuousClock.now - context.record.start
    response.headers[.serverTiming] =
      "solve;dur=\(reply.report.busy.milliseconds), total;dur=\(total.milliseconds)"
    return response
  }
}
