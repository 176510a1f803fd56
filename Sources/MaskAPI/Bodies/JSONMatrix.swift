// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// A matrix from a JSON body, as elements of the type that the request names.
struct JSONMatrix {
  let dataType: DataType
  let rows: Int
  let columns: Int
  private let elements: Elements

  private enum Elements {
    /// The numbers as they were read, of type float64.
    case doubles([Double])
    case bytes([UInt8])
  }

  /// Reads the matrix `field`, whose type is `dtype` or else float64.
  init(_ parameters: ParameterSet, field: String) throws(Problem) {
    dataType = try parameters.choice("dtype", DataType.self) ?? .float64
    let array = try JSONMatrix.array(parameters, field: field)
    guard array.leaf != .boolean else {
      throw .booleans(field, pointer: "/\(field)")
    }
    do throws(TensorError) {
      elements =
        dataType == .float64
        ? .doubles(try array.doubles()) : .bytes(try array.converted(to: dataType))
    } catch {
      throw Problem(error, field: field)
    }
    rows = array.shape[0]
    columns = array.shape.count == 2 ? array.shape[1] : 0
  }

  /// The matrix as one from a file.
  var fileMatrix: FileMatrix {
    let bytes = withBytes { [UInt8]($0) }
    return FileMatrix(bytes: bytes[...], dataType: dataType, rows: rows, columns: columns)
  }

  /// Calls `body` with the matrix in memory.
  func withView<Result>(_ body: (MatrixView) -> Result) -> Result {
    withBytes { bytes in
      body(MatrixView(bytes, dataType: dataType, rows: rows, columns: columns))
    }
  }

  private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    switch elements {
    case .doubles(let values): values.withUnsafeBytes(body)
    case .bytes(let bytes): bytes.withUnsafeBytes(body)
    }
  }

  /// The rectangular two-dimensional array that `field` is.
  static func array(_ parameters: ParameterSet, field: String) throws(Problem) -> NumericArray {
    guard let value = parameters[field] else { throw parameters.missing(field) }
    guard case .json(.numbers(let array)) = value else {
      var found = "text"
      if case .json(let json) = value {
        found = json.kindName
        if case .array(let elements) = json, let first = elements.first {
          found = "an array with \(first.kindName)"
        }
      }
      throw Problem(
        .unprocessableContent,
        "'\(field)' must be rows of numbers, not \(found).",
        pointer: "/\(field)"
      )
    }
    if let irregularity = array.irregularity {
      throw Problem(TensorError.irregular(irregularity), field: field)
    }
    // An empty array may be a matrix without rows.
    guard array.shape.count == 2 || array.shape == [0] else {
      throw Problem(
        .unprocessableContent,
        "'\(field)' must be a matrix, with 2 dimensions; this array has \(array.shape.count).",
        pointer: "/\(field)"
      )
    }
    return array
  }
}
