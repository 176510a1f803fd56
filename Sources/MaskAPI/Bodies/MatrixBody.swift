// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// Finds out what form a body has, and hands the matrix in it to a handler.
///
/// The query makes it raw; else the magic bytes of .npy; else a specific Content-Type; else a body that
/// starts like JSON is JSON.
final class MatrixBody: BodyConsumer {
  private enum State {
    /// Bytes so far, too few to tell.
    case undecided([UInt8])
    case json(JSONBody)
    /// The bytes of an unfinished .npy header.
    case npyHeader([UInt8])
    case data(MatrixData)
    /// The bytes of an unfinished safetensors header.
    case tensorHeader([UInt8])
    case tensors(TensorFile)
    case failed
  }

  private let handler: any MatrixHandler
  private let contentType: String?
  private let context: RequestContext
  /// The size of the file in the body, where it is known.
  private let announced: Int?
  private var state: State
  private var received = 0

  private var configuration: ServiceConfiguration { context.service.configuration }

  /// Prepares for the body of `request`.
  ///
  /// - Throws: what can be told before the body is read: 413 for an announced size, 415 for a raw
  ///   body that is called JSON, 400 for a raw body whose size contradicts its shape.
  init(
    _ request: Request,
    _ context: RequestContext,
    _ handler: any MatrixHandler
  ) throws(Problem) {
    self.handler = handler
    self.context = context
    contentType = request.mediaType
    state = .undecided([])
    announced = try request.contentEncoding() == nil ? request.contentLength : nil
    let isRaw = handler.parameters.contains("rows") || handler.parameters.contains("columns")
    let limit =
      !isRaw && contentType == "application/json"
      ? configuration.maximumJSONBody : configuration.maximumBody
    if let length = request.contentLength, length > limit { throw Self.tooLarge(limit) }
    guard isRaw else { return }
    if contentType == "application/json" {
      throw Problem(
        .unsupportedMediaType,
        "With 'rows' and 'columns' in the query the body is raw, but Content-Type says JSON."
      )
    }
    let header = try Self.rawHeader(
      handler.parameters,
      handler.field,
      takesBooleans: handler.takesBooleans
    )
    try checkSize(header.byteCount)
    let data = try MatrixData(header, sink: handler)
    if let announced, announced != data.expected { throw data.wrongLength(announced) }
    state = .data(data)
  }

  func room() -> UnsafeMutableRawBufferPointer? {
    guard case .data(let data) = state else { return nil }
    return data.room()
  }

  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    received += bytes.count
    if received > configuration.maximumBody { throw Self.tooLarge(configuration.maximumBody) }
    // The state is taken out while it changes, so that its buffers are not copied.
    let current = state
    state = .failed
    switch current {
    case .undecided(let prefix):
      state = try decide(prefix + bytes)
    case .json(let json):
      try json.consume(bytes)
      state = current
    case .npyHeader(let prefix):
      state = try readHeader(prefix + bytes)
    case .data(let data):
      try data.append(bytes)
      state = current
    case .tensorHeader(var prefix):
      prefix += bytes
      state = try readTensorHeader(prefix)
    case .tensors(let file):
      try file.append(bytes)
      state = current
    case .failed:
      break
    }
  }

  func finish() throws(Problem) -> Response {
    if case .undecided(let prefix) = state, !prefix.isEmpty {
      state = try decide(prefix, isWhole: true)
    }
    switch state {
    case .undecided, .failed:
      throw Problem(.badRequest, "The body is empty; it should hold '\(handler.field)'.")
    case .json(let json):
      let value = try json.finish()
      guard case .object(let document) = value else {
        throw Problem(
          .unprocessableContent,
          "The body must be a JSON object, not \(value.kindName).",
          pointer: ""
        )
      }
      return try handler.finish(document)
    case .npyHeader(let prefix):
      throw Problem(
        TensorError.truncatedHeader(.npy, received: prefix.count),
        field: handler.field
      )
    case .data(let data):
      try data.finish()
      return try handler.finish()
    case .tensorHeader(let prefix):
      throw Problem(
        .badRequest,
        TensorError.truncatedHeader(.safetensors, received: prefix.count).message
      )
    case .tensors(let file):
      try file.finish()
      return try handler.finish(file)
    }
  }

  func cancel() { handler.cancel() }

  // MARK: Deciding

  private func decide(_ prefix: [UInt8], isWhole: Bool = false) throws(Problem) -> State {
    let magic = NPYHeader.magic
    if prefix.starts(with: magic) { return try readHeader(prefix) }
    if !isWhole, prefix.count < magic.count, magic.starts(with: prefix) {
      return .undecided(prefix)
    }
    switch contentType {
    case "application/json":
      return try beginJSON(prefix)
    case "application/x-npy":
      throw Problem(
        .badRequest,
        "Content-Type says .npy, but the body does not begin with \\x93NUMPY.",
        pointer: "/\(handler.field)"
      )
    case ReplyForm.safetensors.rawValue where handler.takesTensorFiles:
      return try readTensorHeader(prefix)
    case nil, "application/octet-stream", "application/x-www-form-urlencoded":
      if handler.takesTensorFiles {
        switch prefix.withUnsafeBytes({ BodyFormat.sniff($0, isWhole: isWhole) }) {
        case nil: return .undecided(prefix)
        case .safetensors?: return try readTensorHeader(prefix)
        default: break
        }
      }
      let first = prefix.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
      guard let first else {
        // White space goes before JSON only; a long run of it is not kept to be looked at again.
        return prefix.count < 64 ? .undecided(prefix) : try beginJSON(prefix)
      }
      if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") { return try beginJSON(prefix) }
      throw Self.unsupported
    case let other?:
      throw Problem(
        .unsupportedMediaType,
        "A body of type '\(other)' is not read here. " + Self.forms
      )
    }
  }

  private func beginJSON(_ prefix: [UInt8]) throws(Problem) -> State {
    let json = JSONBody(context, length: announced)
    try json.consume(prefix)
    return .json(json)
  }

  private func readHeader(_ prefix: [UInt8]) throws(Problem) -> State {
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(TensorError) in try NPYHeader.read(bytes) }
    }
    let progress: HeaderProgress<NPYHeader>
    do { progress = try result.get() } catch { throw Problem(error, field: handler.field) }
    guard case .complete(let header) = progress else { return .npyHeader(prefix) }
    try refuseRawParameters(of: ".npy")
    if let announced {
      do { try header.check(fileByteCount: announced) } catch {
        throw Problem(error, field: handler.field)
      }
    }
    try checkSize(header.dataByteCount)
    if header.isFortranOrder { try context.record.reserve(2 * header.dataByteCount) }
    let data = try MatrixData(header, sink: handler)
    let rest = prefix[header.dataOffset...].withUnsafeBytes { bytes in
      Result { () throws(Problem) in try data.append(bytes) }
    }
    try rest.get()
    return .data(data)
  }

  private func readTensorHeader(_ prefix: [UInt8]) throws(Problem) -> State {
    guard let header = try TensorFile.header(prefix) else { return .tensorHeader(prefix) }
    try refuseRawParameters(of: "safetensors")
    if let announced {
      do { try header.check(fileByteCount: announced) } catch {
        throw Problem(.badRequest, error.message)
      }
    }
    try checkSize(header.dataByteCount)
    try context.record.reserve([UInt8].growthByteCount(to: header.dataByteCount))
    let file = TensorFile(header)
    let result = prefix[header.dataOffset...].withUnsafeBytes { bytes in
      Result { () throws(Problem) in try file.append(bytes) }
    }
    try result.get()
    return .tensors(file)
  }

  /// Refuses what says of a raw body what a file's header says by itself.
  private func refuseRawParameters(of format: String) throws(Problem) {
    for name in ["rows", "columns", "dtype"] where handler.parameters.contains(name) {
      throw Problem(
        .badRequest,
        "'\(name)' belongs to raw bodies; this one is \(format).",
        pointer: "/\(name)"
      )
    }
  }

  /// Refuses data that no body within the limit can hold, before room is made for them.
  private func checkSize(_ byteCount: Int?) throws(Problem) {
    guard let byteCount, byteCount <= configuration.maximumBody else {
      throw Self.tooLarge(configuration.maximumBody)
    }
  }

  static func rawHeader(
    _ parameters: ParameterSet,
    _ field: String,
    takesBooleans: Bool = false
  ) throws(Problem) -> MatrixHeader {
    func extent(_ name: String) throws(Problem) -> Int {
      let value = try parameters.requiredInteger(name)
      guard value >= 0 else {
        throw Problem(
          .unprocessableContent,
          "'\(name)' must not be negative.",
          pointer: "/\(name)"
        )
      }
      return value
    }
    let rows = try extent("rows")
    let columns = try extent("columns")
    if takesBooleans, case .text("BOOL")? = parameters["dtype"] {
      return MatrixHeader(element: .bool, rows: rows, columns: columns)
    }
    guard let type = try parameters.choice("dtype", DataType.self) else {
      throw parameters.missing("dtype")
    }
    return MatrixHeader(element: .numeric(type), rows: rows, columns: columns)
  }

  private static let forms =
    "Send JSON, .npy, or raw numbers with 'rows', 'columns' and 'dtype' in the query."

  private static var unsupported: Problem {
    Problem(.unsupportedMediaType, "The body is in no form that is read here. " + forms)
  }

  static func tooLarge(_ limit: Int) -> Problem {
    Problem(.contentTooLarge, "The body is larger than the limit of \(limit) bytes.")
  }
}

extension Request {
  /// The type and subtype of the Content-Type, in lower case.
  var mediaType: String? {
    headers.single(.contentType)?.split(separator: ";").first.map {
      $0.trimmingSpaces().lowercased()
    }
  }
}
