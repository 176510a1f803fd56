// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// A safetensors body whose tensors belong together, in memory.
final class TensorFile {
  let header: SafetensorsHeader
  private var bytes: [UInt8] = []

  init(_ header: SafetensorsHeader) { self.header = header }

  /// The header that a file begins with; nil if the bytes so far do not hold all of it.
  ///
  /// - Throws: 400 for a header that is wrong, 422 for a type that is not known.
  static func header(_ prefix: [UInt8]) throws(Problem) -> SafetensorsHeader? {
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(TensorError) in try SafetensorsHeader.read(bytes) }
    }
    do throws(TensorError) {
      guard case .complete(let header) = try result.get() else { return nil }
      return header
    } catch {
      var problem = Problem(error, field: "")
      // The fault is in the file, which is no member of anything.
      problem.pointer = nil
      throw problem
    }
  }

  /// Takes the next bytes of the data.
  func append(_ data: UnsafeRawBufferPointer) throws(Problem) {
    guard data.count <= header.dataByteCount - bytes.count else {
      let error = TensorError.tooManyBytes(expected: header.dataByteCount)
      throw Problem(.badRequest, error.message)
    }
    bytes.append(data, of: header.dataByteCount)
  }

  /// Checks that the data are whole.
  func finish() throws(Problem) {
    guard bytes.count == header.dataByteCount else { throw wrongLength(bytes.count) }
  }

  /// The tensor of this name.
  subscript(name: String) -> SafetensorsHeader.Tensor? {
    header.tensors.first { $0.name == name }
  }

  /// Refuses tensors other than `names`.
  func allowOnly(_ names: Set<String>) throws(Problem) {
    guard let tensor = header.tensors.first(where: { !names.contains($0.name) }) else { return }
    throw Problem(
      .badRequest,
      "There is no tensor '\(tensor.name)' here; there are: "
        + "\(names.sorted().joined(separator: ", ")).",
      pointer: "/\(tensor.name)"
    )
  }

  /// The type of a tensor that must be one that is read here.
  func elementType(_ tensor: SafetensorsHeader.Tensor) throws(Problem) -> ElementType {
    guard let type = tensor.elementType else {
      throw Problem(
        TensorError.unsupportedType(.safetensors, name: tensor.typeName, tensor: tensor.name),
        field: tensor.name
      )
    }
    return type
  }

  /// The matrix of numbers of this name, which must be there.
  func matrix(_ name: String) throws(Problem) -> FileMatrix {
    guard let tensor = self[name] else {
      throw Problem(
        .unprocessableContent,
        "The file must have a tensor '\(name)'.",
        pointer: "/\(name)"
      )
    }
    guard case .numeric(let dataType) = try elementType(tensor) else {
      throw .booleans(name, pointer: "/\(name)")
    }
    guard tensor.shape.count == 2 else {
      throw Problem(
        .unprocessableContent,
        "'\(name)' must be a matrix, with 2 dimensions; this tensor has \(tensor.shape.count).",
        pointer: "/\(name)"
      )
    }
    try MatrixHeader(element: .numeric(dataType), rows: tensor.shape[0], columns: tensor.shape[1])
      .checkSides(field: name)
    return FileMatrix(
      bytes: bytes[tensor.dataRange],
      dataType: dataType,
      rows: tensor.shape[0],
      columns: tensor.shape[1]
    )
  }

  /// The bytes of a tensor.
  func data(of tensor: SafetensorsHeader.Tensor) -> ArraySlice<UInt8> { bytes[tensor.dataRange] }

  private func wrongLength(_ received: Int) -> Problem {
    let error = TensorError.wrongByteCount(expected: header.dataByteCount, received: received)
    return Problem(.badRequest, error.message)
  }
}

/// A matrix with the bytes that it is made of.
struct FileMatrix {
  let bytes: ArraySlice<UInt8>
  let dataType: DataType
  let rows: Int
  let columns: Int

  /// Calls `body` with the matrix in memory.
  func withView<Result>(_ body: (MatrixView) -> Result) -> Result {
    bytes.withUnsafeBytes { bytes in
      body(MatrixView(bytes, dataType: dataType, rows: rows, columns: columns))
    }
  }
}
