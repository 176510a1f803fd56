// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

extension HTTPField.Name {
  /// The size of the JSON part of a body that also has a binary part.
  static let inferenceHeaderLength = HTTPField.Name("Inference-Header-Content-Length")!
}

/// Takes the body of an inference request: a JSON part, and perhaps the input's elements behind it.
///
/// A binary input is handed to the model while it arrives. With a JSON part of length 0 the whole
/// body is the input, and the query says what it is.
final class InferenceBody: BodyConsumer {
  private let model: InferenceModel
  private let context: RequestContext
  private let announced: Int?
  /// The size of the JSON part; nil if it is all of the body.
  private let jsonLength: Int?
  private let json: JSONBody
  private var received = 0
  private var request: InferenceRequest?
  private var work: (run: any InferenceRun, data: MatrixData)?
  private var isOver = false

  /// Prepares for the body of `request`.
  ///
  /// - Throws: what can be told before the body is read.
  init(
    _ request: Request,
    _ model: InferenceModel,
    _ context: RequestContext
  ) throws(Problem) {
    self.model = model
    self.context = context
    // The size of a compressed body says nothing about what is in it.
    announced = try request.contentEncoding() == nil ? request.contentLength : nil
    jsonLength = try Self.jsonLength(request, announced: announced)
    json = JSONBody(context, length: jsonLength ?? announced)
    let configuration = context.service.configuration
    if jsonLength ?? announced ?? 0 > configuration.maximumJSONBody {
      throw MatrixBody.tooLarge(configuration.maximumJSONBody)
    }
    if let announced, announced > configuration.maximumBody {
      throw MatrixBody.tooLarge(configuration.maximumBody)
    }
    let query = try ParameterSet(queryOf: request)
    guard jsonLength == 0 else {
      try query.allowOnly([])
      return
    }
    try query.allowOnly(model.parameterNames.union(["rows", "columns", "dtype"]))
    let header = try MatrixBody.rawHeader(query, model.input.name)
    try Self.checkSize(header, configuration)
    let run = try model.begin(query, context)
    work = (run, try MatrixData(header, sink: run))
    if let announced { try checkLength(0, header, announced) }
  }

  func room() -> UnsafeMutableRawBufferPointer? { isOver ? nil : work?.data.room() }

  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    let configuration = context.service.configuration
    var rest = bytes
    let missing = jsonLength.map { $0 - received } ?? .max
    if missing > 0 {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(missing))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      received += part.count
      if received > configuration.maximumJSONBody {
        throw MatrixBody.tooLarge(configuration.maximumJSONBody)
      }
      try json.consume(part)
      if received == jsonLength { try begin() }
    }
    guard !rest.isEmpty else { return }
    received += rest.count
    if received > configuration.maximumBody {
      throw MatrixBody.tooLarge(configuration.maximumBody)
    }
    if case .json? = request?.data {
      throw Problem(.badRequest, "Bytes follow the JSON part, but no input is binary.")
    }
    do { try work?.data.append(rest) } catch { throw placed(error) }
  }

  func finish() throws(Problem) -> Response {
    if let jsonLength, received < jsonLength {
      throw Problem(
        .badRequest,
        "The body ends after \(received) bytes of a JSON part of \(jsonLength)."
      )
    }
    if jsonLength == nil { try begin() }
    guard let work else {
      throw Problem(.internalServerError, "The request was never begun.")
    }
    let result: InferenceResult
    do {
      try work.data.finish()
      result = try work.run.finish()
    } catch {
      throw placed(error)
    }
    let outputs =
      request?.outputs
      ?? model.outputs.map { InferenceRequest.Output(name: $0.name, isBinary: true) }
    isOver = true
    let duration = ContinuousClock.now - context.record.start
    context.service.inferenceStatistics.add(model, succeeded: true, duration)
    return InferenceReply(
      model: model,
      id: request?.id,
      outputs: outputs,
      result: result
    ).response(duration)
  }

  func cancel() {
    work?.run.cancel()
    guard !isOver else { return }
    isOver = true
    context.service.inferenceStatistics.add(
      model,
      succeeded: false,
      ContinuousClock.now - context.record.start
    )
  }

  // MARK: Parts

  /// Begins the work, the JSON part being whole.
  private func begin() throws(Problem) {
    let request = try InferenceRequest(try json.finish(), model)
    self.request = request
    try Self.checkSize(request.header, context.service.configuration)
    let run: any InferenceRun
    do { run = try model.begin(request.parameters, context) } catch {
      throw error.moved(below: "/parameters")
    }
    switch request.data {
    case .binary:
      guard let jsonLength else {
        throw Problem(
          .badRequest,
          "An input is binary, but Inference-Header-Content-Length does not say where it begins.",
          pointer: "/inputs/0/parameters/binary_data_size"
        )
      }
      if let announced { try checkLength(jsonLength, request.header, announced) }
      do { work = (run, try MatrixData(request.header, sink: run)) } catch { throw placed(error) }
    case .json(let array):
      let elements: [UInt8]
      do { elements = try array.converted(to: request.dataType) } catch {
        throw Problem(error, field: "data").moved(below: "/inputs/0")
      }
      do {
        let data = try MatrixData(request.header, sink: run)
        work = (run, data)
        let result = elements.withUnsafeBytes { bytes in
          Result { () throws(Problem) in try data.append(bytes) }
        }
        try result.get()
      } catch {
        throw placed(error)
      }
    }
  }

  /// Says of a fault where in the protocol's document it lies.
  private func placed(_ problem: Problem) -> Problem {
    guard let request, let pointer = problem.pointer else { return problem }
    var problem = problem
    if pointer.hasPrefix("/\(model.input.name)") {
      if case .json = request.data {
        problem.pointer = "/inputs/0/data"
      } else {
        problem.pointer = "/inputs/0"
      }
    } else {
      problem.pointer = "/parameters" + pointer
    }
    return problem
  }

  /// Refuses a tensor that no body within the limit can hold, before room is made for it.
  private static func checkSize(
    _ header: MatrixHeader,
    _ configuration: ServiceConfiguration
  ) throws(Problem) {
    if header.byteCount.map({ $0 > configuration.maximumBody }) ?? true {
      throw MatrixBody.tooLarge(configuration.maximumBody)
    }
    try header.checkSides(field: "inputs/0/shape")
  }

  private func checkLength(
    _ jsonLength: Int,
    _ header: MatrixHeader,
    _ announced: Int
  ) throws(Problem) {
    guard let size = header.byteCount, announced - jsonLength != size else { return }
    throw Problem(
      TensorError.wrongByteCount(expected: size, received: announced - jsonLength),
      field: model.input.name
    )
  }

  private static func jsonLength(
    _ request: Request,
    announced: Int?
  ) throws(Problem) -> Int? {
    let fields = request.headers[values: .inferenceHeaderLength]
    guard let text = fields.first else { return nil }
    guard fields.count == 1, !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }),
      let length = Int(text)
    else {
      throw Problem(
        .badRequest,
        "Inference-Header-Content-Length must be one whole number of bytes."
      )
    }
    if let announced, length > announced {
      throw Problem(
        .badRequest,
        "Inference-Header-Content-Length is \(length), but the body has \(announced) bytes."
      )
    }
    return length
  }
}
