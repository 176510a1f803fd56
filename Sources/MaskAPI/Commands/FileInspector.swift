// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity
import TensorIO

/// Looks at what a file holds: its tensors, their zeros, and the patterns that these make.
public enum FileInspector {
  /// Reads a .npy or safetensors file from its first byte to its last.
  ///
  /// - Throws: `CommandError` where the file cannot be read or is neither.
  /// - Complexity: O(file) time; memory for about a mebibyte and some rows, and for the whole of a .npy
  ///   array of three or more dimensions in Fortran order.
  public static func inspect(_ input: InputFile) throws(CommandError) -> InspectionReport {
    var reader = BufferedInput(input)
    switch try reader.header() {
    case .npy(let header):
      let tensor = try inspect(header, &reader)
      try reader.finish()
      return InspectionReport(format: .npy, metadata: [], tensors: [tensor])
    case .safetensors(let header):
      var tensors: [TensorInspection] = []
      for tensor in header.tensors {
        let typed = NonZeros(typeName: tensor.typeName)
        var inspection = TensorInspection(tensor.name, tensor.typeName, tensor.shape)
        if let typed {
          try inspection.count(typed, isBigEndian: false) { (target) throws(CommandError) in
            try reader.read(into: target)
          }
        } else {
          try skip(tensor.dataRange.count, &reader)
        }
        tensors.append(inspection)
      }
      try reader.finish()
      return InspectionReport(format: .safetensors, metadata: header.metadata, tensors: tensors)
    }
  }

  private static func inspect(
    _ header: NPYHeader,
    _ reader: inout BufferedInput
  ) throws(CommandError) -> TensorInspection {
    let name = header.elementType.name
    guard let type = NonZeros(typeName: name) else {
      throw CommandError(.software, "The zero of \(name) is not known.")
    }
    guard header.isFortranOrder, header.shape.count > 1 else {
      var tensor = TensorInspection("", name, header.shape)
      try tensor.count(type, isBigEndian: header.isBigEndian) { (target) throws(CommandError) in
        try reader.read(into: target)
      }
      return tensor
    }
    if header.shape.count == 2 {
      // The transpose, row by row.
      var tensor = TensorInspection("", name, header.shape.reversed())
      try tensor.count(type, isBigEndian: header.isBigEndian) { (target) throws(CommandError) in
        try reader.read(into: target)
      }
      return tensor.transposed
    }
    let whole = try wholeTensor(header, &reader)
    var tensor = TensorInspection("", name, header.shape)
    var place = 0
    try tensor.count(type, isBigEndian: header.isBigEndian) { (target) throws(CommandError) in
      target.copyBytes(from: whole[place..<(place + target.count)])
      place += target.count
    }
    return tensor
  }

  /// An array in Fortran order, brought to the other.
  private static func wholeTensor(
    _ header: NPYHeader,
    _ reader: inout BufferedInput
  ) throws(CommandError) -> [UInt8] {
    // Grown as it comes, because the header may promise anything.
    var bytes: [UInt8] = []
    while bytes.count < header.dataByteCount {
      var piece = [UInt8](repeating: 0, count: min(1 << 20, header.dataByteCount - bytes.count))
      let result = piece.withUnsafeMutableBytes { target in
        Result { () throws(CommandError) in try reader.read(into: target) }
      }
      try result.get()
      bytes += piece
    }
    var ordered = [UInt8](repeating: 0, count: bytes.count)
    bytes.withUnsafeBytes { source in
      ordered.withUnsafeMutableBytes { target in
        copyFortranOrder(
          from: source,
          to: target,
          shape: header.shape,
          elementByteCount: header.elementType.byteCount
        )
      }
    }
    return ordered
  }

  private static func skip(
    _ byteCount: Int,
    _ reader: inout BufferedInput
  ) throws(CommandError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    var left = byteCount
    while left > 0 {
      let count = min(left, buffer.count)
      try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
      left -= count
    }
  }
}
