// SPDX-License-Identifier: GPL-3.0-or-later

public import Sparsity

/// Why bytes or numbers are not a tensor.
public enum TensorError: Error, Sendable, Hashable {
  /// A JSON array is not a rectangular array of numbers.
  case irregular(NumericArray.Irregularity)
  /// The number at a flat index is not whole, though its type is an integer.
  case notWhole(index: Int, path: [Int], DataType)
  /// The number at a flat index is beyond the range of its type.
  case outOfRange(index: Int, path: [Int], DataType)
  /// The header of a file is not what its format allows.
  case malformedHeader(TensorFormat, reason: String, offset: Int?)
  /// The header of a file is longer than is allowed.
  case headerTooLong(TensorFormat, length: UInt64, limit: Int)
  /// The element type is not handled; `tensor` names the tensor where a file has several.
  case unsupportedType(TensorFormat, name: String, tensor: String?)
  /// Two tensors of a file have one name.
  case duplicateTensor(name: String)
  /// The place that a header gives to a tensor contradicts its shape or that of another tensor.
  case badLayout(tensor: String, reason: String)
  /// The extents of a shape multiply to more than can be addressed.
  case shapeTooLarge(shape: [Int])
  /// The data are shorter or longer than the shape says.
  case wrongByteCount(expected: Int, received: Int)
  /// The data go on where the shape says that they end; how far was not looked at.
  case tooManyBytes(expected: Int)
  /// The file ends inside its header.
  case truncatedHeader(TensorFormat, received: Int)
  /// A text is not base64.
  case malformedBase64(reason: String, offset: Int)

  /// What sort of fault this is.
  public var kind: FaultKind {
    switch self {
    case .irregular, .notWhole, .outOfRange: .value
    // A header beyond its limit is taken for garbage: no honest one is near it.
    case .malformedHeader, .headerTooLong, .duplicateTensor, .badLayout, .shapeTooLarge,
      .wrongByteCount, .tooManyBytes, .truncatedHeader, .malformedBase64:
      .syntax
    case .unsupportedType: .unsupported
    }
  }

  /// The flat row-major index of the offending element, where there is one.
  public var index: Int? {
    switch self {
    case .notWhole(let index, _, _), .outOfRange(let index, _, _): index
    default: nil
    }
  }

  /// The indices that lead to the offending element, where there is one.
  public var path: [Int]? {
    switch self {
    case .notWhole(_, let path, _), .outOfRange(_, let path, _): path
    case .irregular(let irregularity): irregularity.path
    default: nil
    }
  }

  /// One sentence for the user.
  public var message: String {
    switch self {
    case .irregular(let irregularity):
      "The array is not rectangular: \(irregularity.message)."
    case .notWhole(_, let path, let type):
      "The number at \(path) is not whole, as \(type.rawValue) needs."
    case .outOfRange(_, let path, let type):
      "The number at \(path) is beyond the range of \(type.rawValue)."
    case .malformedHeader(let format, let reason, let offset?):
      "The \(format.rawValue) header is malformed at byte \(offset): \(reason)."
    case .malformedHeader(let format, let reason, nil):
      "The \(format.rawValue) header is malformed: \(reason)."
    case .headerTooLong(let format, let length, let limit):
      "The \(format.rawValue) header is \(length) bytes long; \(limit) are allowed."
    case .unsupportedType(let format, let name, nil):
      "The \(format.rawValue) type \(name) is not supported."
    case .unsupportedType(let format, let name, let tensor?):
      "The \(format.rawValue) type \(name) of tensor \(tensor.shortened(to: 64)) is not supported."
    case .duplicateTensor(let name):
      "The file has a duplicate tensor name, \(name.shortened(to: 64))."
    case .badLayout(let tensor, let reason):
      "The header is wrong about tensor \(tensor.shortened(to: 64)): \(reason)."
    case .shapeTooLarge(let shape):
      "The shape \(shape) has more elements than can be addressed."
    case .wrongByteCount(let expected, let received):
      "The data are \(received) bytes long; the shape and type need \(expected)."
    case .tooManyBytes(let expected):
      "The data are longer than the \(expected) bytes that the shape and type need."
    case .truncatedHeader(let format, let received):
      "The \(format.rawValue) file ends inside its header, after \(received) bytes."
    case .malformedBase64(let reason, let offset):
      "The base64 text is malformed at character \(offset): \(reason)."
    }
  }
}

/// A file format for tensors.
public enum TensorFormat: String, Sendable, Hashable {
  case npy = ".npy"
  case safetensors
}
