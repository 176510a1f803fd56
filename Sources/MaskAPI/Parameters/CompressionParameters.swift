// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity

/// What a request to compress or expand a matrix says beside it.
struct CompressionParameters: Sendable {
  let form: CompressedLayout.Form

  static let names: Set<String> = ["n", "m"]

  /// Reads and checks the parameters.
  init(_ parameters: ParameterSet) throws(Problem) {
    let n = try parameters.requiredInteger("n")
    let m = try parameters.requiredInteger("m")
    switch (n, m) {
    case (2, 4): form = .twoOfFour
    case (1, 2): form = .oneOfTwo
    default:
      throw Problem(
        .unprocessableContent,
        "There is no hardware layout for \(n):\(m); there is one for 2:4, and for 1:2 of F32.",
        pointer: "/n"
      )
    }
  }

  /// The layout of a matrix.
  ///
  /// - Throws: 422 where there is none for its type or shape.
  func layout(
    _ dataType: DataType,
    rows: Int,
    columns: Int,
    field: String
  ) throws(Problem) -> CompressedLayout {
    guard form == .twoOfFour || dataType == .float32 else {
      throw Problem(
        .unprocessableContent,
        "1:2 is the hardware's pattern for F32 alone; \(dataType.rawValue) has 2:4.",
        pointer: "/m"
      )
    }
    do throws(CompressionError) {
      return try CompressedLayout(form, rows: rows, columns: columns)
    } catch {
      throw Problem(error, field: field)
    }
  }
}

extension Problem {
  /// - Parameter field: the name of the matrix in the request.
  init(_ error: CompressionError, field: String) {
    switch error {
    case .indivisible(let columns, let m):
      self.init(
        .unprocessableContent,
        "The matrix has \(columns) columns, which m = \(m) does not divide.",
        pointer: "/\(field)"
      )
    case .tooManyNonZeros(let row, let column, let count):
      self.init(
        .unprocessableContent,
        "The group at row \(row), column \(column) has \(count) entries that are not zero, more "
          + "than the pattern keeps.",
        pointer: "/\(field)/\(row)/\(column)"
      )
    case .badIndices(let row, let column, let bits):
      let text = String(bits, radix: 2)
      self.init(
        .unprocessableContent,
        "The indices of the group at row \(row), column \(column) are the bits "
          + "\(String(repeating: "0", count: 4 - text.count) + text), which no group of the "
          + "pattern has.",
        pointer: "/metadata/\(row)"
      )
    case .badPadding(let row):
      self.init(
        .unprocessableContent,
        "The metadata of row \(row) are not zero behind its last group.",
        pointer: "/metadata/\(row)"
      )
    }
  }
}
