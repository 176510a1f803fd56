// SPDX-License-Identifier: GPL-3.0-or-later

/// The header of a safetensors file, with all that it says checked against itself.
///
/// The format is that of the safetensors project's README: a little-endian length of 64 bits, a
/// JSON object, then the data. Every byte of the data belongs to exactly one tensor.
public struct SafetensorsHeader: Sendable, Hashable {
  /// One tensor of a file.
  public struct Tensor: Sendable, Hashable {
    public let name: String
    /// The type as it is written, as `F8_E4M3`.
    public let typeName: String
    /// The type of the elements; nil if it is known but not handled.
    public let elementType: ElementType?
    /// The extents, outermost first; empty for a scalar.
    public let shape: [Int]
    /// The place of the data, in bytes from `dataOffset`.
    public let dataRange: Range<Int>
  }

  /// A pair of the `__metadata__` object.
  public struct Metadata: Sendable, Hashable {
    public let name: String
    public let value: String

    /// Pairs a name with a text.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The longest header that `read` takes by default, in bytes; 100,000 tensors fit.
  public static let defaultMaximumLength = 16 << 20
  /// The longest name of a tensor, in bytes.
  public static let maximumNameLength = 4096
  /// The largest number of dimensions.
  public static let maximumDimensions = 64

  /// The tensors in the order of their data, which is that of their arrival.
  public let tensors: [Tensor]
  /// The pairs of `__metadata__` in the order of the text.
  public let metadata: [Metadata]
  /// Where the data begin, in bytes from the start of the file.
  public let dataOffset: Int
  /// The size of all data, in bytes.
  public let dataByteCount: Int

  /// Looks for the header in the first bytes of a file.
  ///
  /// - Throws: `TensorError`: `.headerTooLong` before anything is allocated, `.malformedHeader`,
  ///   `.duplicateTensor`, `.badLayout` (offsets against shape, overlaps, holes), or
  ///   `.unsupportedType` for a type whose size is unknown.
  /// - Complexity: O(header + tensors log tensors), in the one call that returns it.
  public static func read(
    _ prefix: UnsafeRawBufferPointer,
    maximumLength: Int = defaultMaximumLength
  ) throws(TensorError) -> HeaderProgress<SafetensorsHeader> {
    guard prefix.count >= 8 else { return .incomplete(byteCount: 9) }
    let length = UInt64(littleEndian: prefix.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumLength) else {
      throw .headerTooLong(.safetensors, length: length, limit: maximumLength)
    }
    guard length >= 2 else {
      throw .malformedHeader(.safetensors, reason: "its length is \(length)", offset: 0)
    }
    let dataOffset = 8 + Int(length)
    if prefix.count > 8, prefix[8] != UInt8(ascii: "{") {
      throw .malformedHeader(
        .safetensors,
        reason: "{ is expected, not \(printable(prefix[8]))",
        offset: 8
      )
    }
    guard prefix.count >= dataOffset else { return .incomplete(byteCount: dataOffset) }
    let members = try members(of: UnsafeRawBufferPointer(rebasing: prefix[8..<dataOffset]))

    var tensors: [Tensor] = []
    var metadata: [Metadata] = []
    for member in members {
      if member.name == "__metadata__" {
        metadata = try pairs(of: member.value)
      } else {
        tensors.append(try tensor(member))
      }
    }
    tensors.sort {
      ($0.dataRange.lowerBound, $0.dataRange.upperBound)
        < ($1.dataRange.lowerBound, $1.dataRange.upperBound)
    }
    try checkCover(tensors)
    return .complete(
      SafetensorsHeader(
        tensors: tensors,
        metadata: metadata,
        dataOffset: dataOffset,
        dataByteCount: tensors.last?.dataRange.upperBound ?? 0
      )
    )
  }

  /// Checks that a whole file is as long as the header says.
  ///
  /// - Throws: `TensorError.wrongByteCount` if it is shorter or longer.
  public func check(fileByteCount: Int) throws(TensorError) {
    guard fileByteCount - dataOffset == dataByteCount else {
      throw .wrongByteCount(expected: dataByteCount, received: fileByteCount - dataOffset)
    }
  }

  // MARK: Parts

  private static func members(
    of text: UnsafeRawBufferPointer
  ) throws(TensorError) -> [JSONObject.Member] {
    // A plain entry takes some twenty times its text.
    var scanner = JSONScanner(
      limits: .init(depth: 4, heldBytes: 64 * text.count + 65_536, numberLength: 64)
    )
    let value: JSONValue
    do throws(JSONError) {
      try scanner.consume(text)
      value = try scanner.finish()
    } catch {
      if case .duplicateName(let name, _) = error, scanner.depth == 1 {
        throw .duplicateTensor(name: name)
      }
      throw .malformedHeader(
        .safetensors,
        reason: error.message,
        offset: error.offset.map { 8 + $0 }
      )
    }
    guard case .object(let object) = value else {
      throw .malformedHeader(.safetensors, reason: "it is not an object", offset: 8)
    }
    return object.members
  }

  private static func pairs(of value: JSONValue) throws(TensorError) -> [Metadata] {
    guard case .object(let object) = value else {
      throw .malformedHeader(.safetensors, reason: "__metadata__ is not an object", offset: nil)
    }
    var pairs: [Metadata] = []
    for member in object.members {
      guard case .string(let text) = member.value else {
        throw .malformedHeader(
          .safetensors,
          reason: "__metadata__ has \(member.value.kindName) as its "
            + "\(member.name.shortened(to: 64)), not a string",
          offset: nil
        )
      }
      pairs.append(Metadata(name: member.name, value: text))
    }
    return pairs
  }

  private static func tensor(_ member: JSONObject.Member) throws(TensorError) -> Tensor {
    let name = member.name
    func fault(_ reason: String) -> TensorError { .badLayout(tensor: name, reason: reason) }

    guard name.utf8.count <= maximumNameLength else {
      throw fault("its name has more than \(maximumNameLength) bytes")
    }
    guard !name.utf8.contains(0) else { throw fault("its name has a NUL") }
    guard case .object(let fields) = member.value else {
      throw fault("its entry is \(member.value.kindName), not an object")
    }
    guard case .string(let typeName)? = fields["dtype"] else {
      throw fault("its dtype is missing or not a string")
    }
    guard let shape = integers(fields["shape"]) else {
      throw fault("its shape is not an array of whole numbers from 0 on")
    }
    guard shape.count <= maximumDimensions else {
      throw fault("its shape has more than \(maximumDimensions) dimensions")
    }
    guard let offsets = integers(fields["data_offsets"]), offsets.count == 2,
      offsets[0] <= offsets[1]
    else {
      throw fault("its data_offsets are not two whole numbers in order")
    }
    let elementType = ElementType(name: typeName)
    guard let bits = elementType.map({ 8 * $0.byteCount }) ?? otherBitCounts[typeName] else {
      throw .unsupportedType(.safetensors, name: typeName.shortened(to: 64), tensor: name)
    }
    guard let count = TensorIndex.elementCount(of: shape),
      case (let total, let overflow) = count.multipliedReportingOverflow(by: bits), !overflow
    else {
      throw fault("its shape has more elements than can be addressed")
    }
    guard total % 8 == 0, total / 8 == offsets[1] - offsets[0] else {
      throw fault(
        "its shape \(shape) needs \(total / 8) bytes, but its offsets hold "
          + "\(offsets[1] - offsets[0])"
      )
    }
    return Tensor(
      name: name,
      typeName: typeName,
      elementType: elementType,
      shape: shape,
      dataRange: offsets[0]..<offsets[1]
    )
  }

  /// The bits of an element of the types that the format has and that are not handled.
  private static let otherBitCounts = [
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "U16": 16, "U32": 32, "U64": 64, "C64": 64,
  ]

  /// A flat array of whole numbers from 0 on; nil if the value is anything else.
  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard case .numbers(let array)? = value, array.irregularity == nil, array.shape.count == 1,
      array.leaf != .boolean
    else { return nil }
    var integers: [Int] = []
    for index in array.values.indices {
      guard let integer = array.integer(at: index), integer >= 0 else { return nil }
      integers.append(integer)
    }
    return integers
  }

  /// Checks that sorted tensors follow each other without an overlap or a hole.
  private static func checkCover(_ tensors: [Tensor]) throws(TensorError) {
    var end = 0
    for (index, tensor) in tensors.enumerated() {
      let start = tensor.dataRange.lowerBound
      if start < end {
        let other = tensors[index - 1].name.shortened(to: 64)
        throw .badLayout(
          tensor: tensor.name,
          reason: "its byte range overlaps that of tensor \(other)"
        )
      }
      if start > end {
        throw .badLayout(
          tensor: tensor.name,
          reason: "there is a hole of \(start - end) bytes before its data"
        )
      }
      end = tensor.dataRange.upperBound
    }
  }
}
