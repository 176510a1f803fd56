// SPDX-License-Identifier: GPL-3.0-or-later

/// A safetensors file to be written: its header, and the place of each tensor behind it.
///
/// The file is `header`, then the data of `tensors` in their order, without a gap.
public struct SafetensorsLayout: Sendable {
  /// The name, type and shape of a tensor to be written.
  public struct Item: Sendable, Hashable {
    public let name: String
    public let elementType: ElementType
    public let shape: [Int]

    /// Describes a tensor.
    public init(name: String, elementType: ElementType, shape: [Int]) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
    }
  }

  /// The bytes before the data, padded with spaces to a multiple of 8.
  public let header: [UInt8]
  /// The tensors in the given order, with their places in the data.
  public let tensors: [SafetensorsHeader.Tensor]
  /// The size of all data, in bytes.
  public let dataByteCount: Int

  /// Plans a file.
  ///
  /// Readers that map a file into memory want each tensor aligned to its elements: give those of
  /// wider types first where types are mixed.
  ///
  /// - Throws: `TensorError.duplicateTensor` for a repeated name, `.badLayout` for a name that a
  ///   reader would refuse, `.shapeTooLarge` where sizes overflow.
  /// - Complexity: O(header).
  public init(
    items: [Item],
    metadata: [SafetensorsHeader.Metadata] = []
  ) throws(TensorError) {
    var writer = JSONWriter(capacity: 128 * (items.count + metadata.count) + 64)
    writer.beginObject()
    if !metadata.isEmpty {
      var names: Set<UTF8Key> = []
      writer.name("__metadata__")
      writer.beginObject()
      for pair in metadata {
        guard names.insert(UTF8Key(pair.name)).inserted else {
          throw .malformedHeader(
            .safetensors,
            reason: "the metadata name \(pair.name) is repeated",
            offset: nil
          )
        }
        writer.member(pair.name, pair.value)
      }
      writer.endObject()
    }

    var tensors: [SafetensorsHeader.Tensor] = []
    var names: Set<UTF8Key> = []
    var end = 0
    for item in items {
      guard item.name != "__metadata__", !item.name.utf8.contains(0),
        item.name.utf8.count <= SafetensorsHeader.maximumNameLength
      else { throw .badLayout(tensor: item.name, reason: "its name cannot be that of a tensor") }
      guard names.insert(UTF8Key(item.name)).inserted else {
        throw .duplicateTensor(name: item.name)
      }
      guard let byteCount = item.elementType.byteCount(ofShape: item.shape),
        case (let next, let overflow) = end.addingReportingOverflow(byteCount), !overflow
      else { throw .shapeTooLarge(shape: item.shape) }
      writer.name(item.name)
      writer.beginObject()
      writer.member("dtype", item.elementType.name)
      writer.member("shape", item.shape)
      writer.member("data_offsets", [end, next])
      writer.endObject()
      tensors.append(
        .init(
          name: item.name,
          typeName: item.elementType.name,
          elementType: item.elementType,
          shape: item.shape,
          dataRange: end..<next
        )
      )
      end = next
    }
    writer.endObject()

    var text = writer.bytes
    text += repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    header = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    self.tensors = tensors
    dataByteCount = end
  }
}
