// SPDX-License-Identifier: GPL-3.0-or-later

@testable import TensorIO

/// The header of safetensors files.
///
/// - Names differ, and the tensors cover the data without an overlap or a hole.
/// - The size of each is what its shape and type say.
/// - The writer's file of the same tensors is read back.
func fuzzSafetensors(_ input: UnsafeRawBufferPointer) {
  var choices = Choices(of: input)
  guard let header = readHeader(input, &choices, as: SafetensorsHeader.self) else { return }
  require(header.dataOffset <= input.count, "the header is in the file")

  var end = 0
  var names: Set<[UInt8]> = []
  for tensor in header.tensors {
    require(names.insert(Array(tensor.name.utf8)).inserted, "names differ")
    require(tensor.name != "__metadata__", "the metadata are no tensor")
    require(tensor.dataRange.lowerBound == end, "data follow each other")
    end = tensor.dataRange.upperBound
    require(
      bitCount(tensor.shape, bitsOfElement: bits(of: tensor.typeName)) == 8
        * tensor.dataRange.count,
      "the shape \(tensor.shape) of \(tensor.typeName) says how many bytes there are"
    )
    require((tensor.elementType?.name ?? tensor.typeName) == tensor.typeName, "a type's name")
  }
  require(end == header.dataByteCount, "the last tensor ends the data")
  writeAgain(header)
}

private func writeAgain(_ header: SafetensorsHeader) {
  var items: [SafetensorsLayout.Item] = []
  for tensor in header.tensors {
    guard let type = tensor.elementType else { return }
    items.append(.init(name: tensor.name, elementType: type, shape: tensor.shape))
  }
  let layout: SafetensorsLayout
  do throws(TensorError) {
    layout = try SafetensorsLayout(items: items, metadata: header.metadata)
  } catch {
    refute("what is read can be written: \(error)", #line)
  }
  require(layout.header.count % 8 == 0, "a header is a multiple of 8")
  let again = layout.header.withUnsafeBytes { try? SafetensorsHeader.read($0) }
  guard case .complete(let read)? = again else { refute("what is written is read", #line) }
  require(
    read.tensors == header.tensors && layout.tensors == header.tensors
      && read.metadata == header.metadata && read.dataByteCount == header.dataByteCount
      && read.dataOffset == layout.header.count,
    "what is written reads back as it was"
  )
}

/// The bits of an element, by the table of the safetensors project.
private func bits(of typeName: String) -> Int {
  switch typeName {
  case "F64", "I64", "U64", "C64": 64
  case "F32", "I32", "U32": 32
  case "F16", "BF16", "I16", "U16": 16
  case "F4": 4
  case "F6_E2M3", "F6_E3M2": 6
  default: 8
  }
}
