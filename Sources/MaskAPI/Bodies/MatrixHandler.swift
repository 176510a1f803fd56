// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// What a binary body holds, once its header is known.
struct MatrixHeader: Sendable, Hashable {
  let element: ElementType
  let rows: Int
  let columns: Int

  /// The size of the data; nil if it cannot be addressed.
  var byteCount: Int? {
    guard let count = TensorIndex.elementCount(of: [rows, columns]) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: element.byteCount)
    return overflow ? nil : bytes
  }

  /// The type of the numbers.
  ///
  /// - Parameter field: what the matrix is called.
  /// - Throws: 422 for booleans.
  func numericType(field: String) throws(Problem) -> DataType {
    guard case .numeric(let type) = element else { throw .booleans(field, pointer: "/\(field)") }
    return type
  }

  /// The longest side of a matrix without entries.
  ///
  /// Its bytes say nothing of how long it is, but the reply has something for each row.
  static let maximumHollowSide = 1 << 20

  /// Refuses sides that are too long for a matrix without entries.
  ///
  /// - Parameter field: what the matrix is called.
  func checkSides(field: String) throws(Problem) {
    guard rows > 0 && columns > 0 || max(rows, columns) <= Self.maximumHollowSide else {
      throw Problem(
        .unprocessableContent,
        "A matrix without entries may have sides of at most \(Self.maximumHollowSide), not "
          + "\(max(rows, columns)).",
        pointer: "/\(field)"
      )
    }
  }
}

extension Problem {
  /// Booleans stand where numbers are needed.
  static func booleans(_ field: String, pointer: String) -> Problem {
    Problem(
      .unprocessableContent,
      "'\(field)' must be numbers, not booleans.",
      pointer: pointer
    )
  }
}

/// Takes a matrix that comes as bytes.
protocol MatrixSink: AnyObject {
  /// What the matrix is called in messages: its field in a JSON body.
  var field: String { get }
  /// A matrix of this shape follows.
  func begin(_ header: MatrixHeader) throws(Problem)
  /// Memory for its next bytes, as of `BodyReceiver`.
  func room() -> UnsafeMutableRawBufferPointer?
  /// Takes its next bytes, row-major and little-endian; never more than the header says.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem)
}

extension MatrixSink {
  func room() -> UnsafeMutableRawBufferPointer? { nil }
}

/// What a route does with the matrix that a body holds, in whatever form it comes.
protocol MatrixHandler: MatrixSink {
  /// The parameters from the query.
  var parameters: ParameterSet { get }
  /// Answers, after all the bytes that the header says.
  func finish() throws(Problem) -> Response
  /// Answers a JSON body.
  func finish(_ document: JSONObject) throws(Problem) -> Response
  /// Whether the matrix may be of booleans, of one byte each.
  var takesBooleans: Bool { get }
  /// Whether the matrix may come in a safetensors file.
  var takesTensorFiles: Bool { get }
  /// Answers a safetensors file.
  func finish(_ file: TensorFile) throws(Problem) -> Response
  func cancel()
}

extension MatrixHandler {
  var takesBooleans: Bool { false }
  var takesTensorFiles: Bool { false }

  func finish(_ file: TensorFile) throws(Problem) -> Response {
    throw Problem(.unsupportedMediaType, "A safetensors file is not read here.")
  }
}
