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
}

/// Takes a matrix that comes as bytes.
protocol MatrixSink: AnyObject {
  /// What the matrix is called in messages: its field in a JSON body.
  var field: String { get }
  /// A matrix of this shape follows.
  func begin(_ header: MatrixHeader) throws(Problem)
  /// Takes its next bytes, row-major and little-endian; never more than the header says.
  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem)
}

/// What a route does with the matrix that a body holds, in whatever form it comes.
protocol MatrixHandler: MatrixSink {
  /// The parameters from the query.
  var parameters: ParameterSet { get }
  /// Answers, after all the bytes that the header says.
  func finish() throws(Problem) -> Response
  /// Answers a JSON body.
  func finish(_ document: JSONObject) throws(Problem) -> Response
  /// Whether the matrix may come in a safetensors file.
  var takesTensorFiles: Bool { get }
  /// Answers a safetensors file.
  func finish(_ file: TensorFile) throws(Problem) -> Response
  func cancel()
}

extension MatrixHandler {
  var takesTensorFiles: Bool { false }

  func finish(_ file: TensorFile) throws(Problem) -> Response {
    throw Problem(.unsupportedMediaType, "A safetensors file is not read here.")
  }
}
