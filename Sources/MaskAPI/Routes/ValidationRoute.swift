// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `POST /v1/masks/validate`: whether a mask, or the non-zeros of a weight matrix, obey a pattern.
struct ValidationRoute: Route {
  let path = "/v1/masks/validate"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let handler = try ValidationHandler(request, context)
    let body = try MatrixBody(request, context, handler)
    return .receive(try BodyReception(request, context, body))
  }
}

/// Counts what each group of a matrix keeps.
private final class ValidationHandler: MatrixHandler {
  let field = "mask"
  let parameters: ParameterSet
  private let context: RequestContext
  private static let names: Set<String> = ["n", "m", "structure", "constraint", "remainder"]
  private var layout: MaskLayout?
  private var rows = 0
  private var columns = 0
  /// The rows of the mask so far, packed as a `Mask` has them.
  private var packed: [UInt8] = []
  private var element = ElementType.bool
  private var rowByteCount: Int { (columns + 7) / 8 }
  /// The bytes of an entry that is not whole yet.
  private var partial: [UInt8] = []
  private var position = 0

  init(_ request: Request, _ context: RequestContext) throws(Problem) {
    self.context = context
    _ = try ReplyForm.negotiated(for: request, among: [.json])
    parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(Self.names.union(["rows", "columns", "dtype"]))
  }

  func begin(_ header: MatrixHeader) throws(Problem) {
    layout = try Self.layout(parameters, header.rows, header.columns)
    element = header.element
    (rows, columns) = (header.rows, header.columns)
    // The packed rows, in an array that doubles as it grows.
    try context.record.reserve(3 * rows * rowByteCount)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    let size = element.byteCount
    var rest = bytes
    if !partial.isEmpty {
      let missing = min(size - partial.count, rest.count)
      partial.append(contentsOf: rest[..<missing])
      rest = UnsafeRawBufferPointer(rebasing: rest[missing...])
      guard partial.count == size else { return }
      let result = partial.withUnsafeBytes { entry in
        Result { () throws(Problem) in try mark(entry) }
      }
      try result.get()
      partial.removeAll()
    }
    let whole = rest.count / size * size
    try mark(UnsafeRawBufferPointer(rebasing: rest[..<whole]))
    partial.append(contentsOf: rest[whole...])
  }

  /// Sets the bits of whole elements that are not zero.
  private func mark(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    guard !bytes.isEmpty else { return }
    let size = element.byteCount
    let reached = (position + bytes.count / size - 1) / columns + 1
    packed.append(contentsOf: repeatElement(0, count: reached * rowByteCount - packed.count))
    for start in stride(from: 0, to: bytes.count, by: size) {
      let entry = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + size)])
      if try isNonZero(entry) {
        let (row, column) = position.quotientAndRemainder(dividingBy: columns)
        packed[row * rowByteCount + column / 8] |= 1 << UInt8(column % 8)
      }
      position += 1
    }
  }

  /// Whether an entry is kept; negative zero is zero.
  private func isNonZero(_ entry: UnsafeRawBufferPointer) throws(Problem) -> Bool {
    var bits: UInt64 = 0
    for index in 0..<entry.count { bits |= UInt64(entry[index]) << UInt64(8 * index) }
    if case .numeric(let type) = element, type.isFloatingPoint {
      bits &= ~(1 << UInt64(8 * entry.count - 1))
      if bits >= type.infinityBits {
        throw Problem(
          SolveError.notFinite(row: position / columns, column: position % columns),
          field: "weights"
        )
      }
    }
    return bits != 0
  }

  func finish() throws(Problem) -> Response {
    guard let layout else {
      throw Problem(.internalServerError, "The body ended before its header was read.")
    }
    return Self.response(layout.validity(of: Mask(rows: rows, columns: columns, bytes: packed)))
  }

  func finish(_ document: JSONObject) throws(Problem) -> Response {
    var all = parameters
    try all.add(document)
    try all.allowOnly(Self.names.union(["mask", "weights"]))
    if all.contains("mask"), all.contains("weights") {
      throw Problem(
        .unprocessableContent,
        "Give either 'mask' or 'weights', not both.",
        pointer: "/weights"
      )
    }
    let source = all.contains("weights") ? "weights" : "mask"
    let array = try JSONMatrix.array(all, field: source)
    if source == "weights" {
      guard array.leaf != .boolean else {
        throw Problem(
          .unprocessableContent,
          "'weights' must be numbers; booleans go into 'mask'.",
          pointer: "/weights"
        )
      }
      if let index = array.firstOverflow {
        throw Problem(
          .unprocessableContent,
          "'weights' has a number beyond the range of F64.",
          pointer: "/weights" + array.pointer(of: index)
        )
      }
    }
    let rows = array.shape[0]
    let columns = array.shape.count == 2 ? array.shape[1] : 0
    let layout = try Self.layout(all, rows, columns)
    var mask = Mask(rows: rows, columns: columns)
    for (index, value) in array.values.enumerated() where value != 0 {
      if source == "mask", value != 1 {
        throw Problem(
          .unprocessableContent,
          "A mask has entries 0 and 1 or false and true, not \(value), at row "
            + "\(index / columns), column \(index % columns). Numbers go into 'weights'.",
          pointer: "/mask/\(index / columns)/\(index % columns)"
        )
      }
      mask[index / columns, index % columns] = true
    }
    return Self.response(layout.validity(of: mask))
  }

  func cancel() {}

  let takesBooleans = true

  private static func layout(
    _ parameters: ParameterSet,
    _ rows: Int,
    _ columns: Int
  ) throws(Problem) -> MaskLayout {
    let specification = try MaskParameters(parameters).specification
    return try Problem.rethrow { () throws(SpecificationError) in
      try MaskLayout(specification, rows: rows, columns: columns)
    }
  }

  private static func response(_ validity: MaskValidity) -> Response {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("valid", validity.isValid)
    writer.member("groups", validity.groups)
    writer.member("violations", validity.violations)
    if let first = validity.firstViolation {
      writer.name("first_violation")
      writer.beginObject()
      writer.member("axis", first.axis == .rows ? "row" : "column")
      writer.member("row", first.row)
      writer.member("column", first.column)
      writer.member("kept", first.kept)
      writer.endObject()
    } else {
      writer.name("first_violation")
      writer.null()
    }
    writer.endObject()
    return .json(writer.bytes)
  }
}

extension DataType {
  /// The bits of infinity, above which are those of NaN; of a floating-point type.
  fileprivate var infinityBits: UInt64 {
    switch self {
    case .float64: 0x7FF0_0000_0000_0000
    case .float32: 0x7F80_0000
    case .float16: 0x7C00
    case .bfloat16: 0x7F80
    case .int8, .uint8, .int16, .int32, .int64: .max
    }
  }
}
