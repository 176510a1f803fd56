// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// What a request for a mask says beside the weights and the pattern: own scores, and what is wanted
/// of the mask besides.
struct ScoreParameters {
  /// Names that a query may have too.
  static let flags: Set<String> = ["keep_zeros", "apply"]
  /// Names of arrays, which only a JSON body or a safetensors file has.
  static let arrays: Set<String> = ["scores", "column_scale", "previous_mask"]
  private static let all = flags.union(arrays)

  /// What decides in place of the magnitudes.
  let scores: FileMatrix?
  /// A factor for the magnitudes of each column.
  let columnScale: [Double]?
  let previousMask: Mask?
  /// Whether entries that are zero are never kept.
  let keepsZeros: Bool
  /// Whether the pruned weights are returned.
  let applies: Bool

  /// Whether a request with these names needs its matrix in memory.
  static func areGiven(in parameters: ParameterSet) -> Bool {
    all.contains { parameters.contains($0) }
  }

  /// Reads what stands in a query or a JSON body.
  init(_ parameters: ParameterSet) throws(Problem) {
    let hasScores = parameters.contains("scores")
    scores = hasScores ? try JSONMatrix(parameters, field: "scores").fileMatrix : nil
    columnScale = try Self.columnScale(parameters)
    previousMask = try Self.previousMask(parameters)
    keepsZeros = try parameters.boolean("keep_zeros") ?? false
    applies = try parameters.boolean("apply") ?? false
  }

  /// Reads the tensors of a file, and the flags of the query.
  init(_ file: TensorFile, _ parameters: ParameterSet) throws(Problem) {
    scores = file["scores"] == nil ? nil : try file.matrix("scores")
    if let tensor = file["column_scale"] {
      guard case .numeric(let type) = try file.elementType(tensor), tensor.shape.count == 1 else {
        throw Self.wrongScale
      }
      columnScale = file.data(of: tensor).withUnsafeBytes { type.doubles(in: $0) }
    } else {
      columnScale = nil
    }
    if let tensor = file["previous_mask"] {
      previousMask = try Self.previousMask(file, tensor)
    } else {
      previousMask = nil
    }
    keepsZeros = try parameters.boolean("keep_zeros") ?? false
    applies = try parameters.boolean("apply") ?? false
  }

  /// Checks all of it against the weights.
  func check(_ weights: FileMatrix) throws(Problem) {
    if scores != nil, columnScale != nil {
      throw Problem(
        .unprocessableContent,
        "Give either 'scores' or 'column_scale', not both.",
        pointer: "/column_scale"
      )
    }
    if let scores {
      try checkShape("scores", scores.rows, scores.columns, weights)
      if let entry = scores.withView({ $0.firstNegative() }) {
        throw Problem(
          .unprocessableContent,
          "'scores' must not be negative; it is at row \(entry.row), column \(entry.column).",
          pointer: "/scores/\(entry.row)/\(entry.column)"
        )
      }
    }
    if let columnScale {
      guard columnScale.count == weights.columns else {
        throw Problem(
          .unprocessableContent,
          "'column_scale' has \(columnScale.count) factors for \(weights.columns) columns.",
          pointer: "/column_scale"
        )
      }
      if let column = columnScale.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
        throw Problem(
          .unprocessableContent,
          "'column_scale' must be finite and not negative; it is not at column \(column).",
          pointer: "/column_scale/\(column)"
        )
      }
    }
    if let previousMask {
      try checkShape("previous_mask", previousMask.rows, previousMask.columns, weights)
    }
  }

  private func checkShape(
    _ name: String,
    _ rows: Int,
    _ columns: Int,
    _ weights: FileMatrix
  ) throws(Problem) {
    guard rows == weights.rows, columns == weights.columns else {
      throw Problem(
        .unprocessableContent,
        "'\(name)' is \(rows) x \(columns), but 'weights' is \(weights.rows) x "
          + "\(weights.columns).",
        pointer: "/\(name)"
      )
    }
  }

  // MARK: Arrays

  private static var wrongScale: Problem {
    Problem(
      .unprocessableContent,
      "'column_scale' must be a vector of numbers, one for each column.",
      pointer: "/column_scale"
    )
  }

  private static func columnScale(_ parameters: ParameterSet) throws(Problem) -> [Double]? {
    guard let value = parameters["column_scale"] else { return nil }
    guard case .json(.numbers(let array)) = value, array.irregularity == nil,
      array.shape.count == 1, array.leaf != .boolean
    else { throw wrongScale }
    return array.values
  }

  private static func previousMask(_ parameters: ParameterSet) throws(Problem) -> Mask? {
    guard parameters.contains("previous_mask") else { return nil }
    let array = try JSONMatrix.array(parameters, field: "previous_mask")
    let columns = array.shape.count == 2 ? array.shape[1] : 0
    return try mask(array.values, array.shape[0], columns)
  }

  private static func previousMask(
    _ file: TensorFile,
    _ tensor: SafetensorsHeader.Tensor
  ) throws(Problem) -> Mask {
    let type = try file.elementType(tensor)
    guard type == .bool || type == .numeric(.uint8), tensor.shape.count == 2 else {
      throw Problem(
        .unprocessableContent,
        "'previous_mask' must be a matrix of BOOL or U8.",
        pointer: "/previous_mask"
      )
    }
    try MatrixHeader(element: type, rows: tensor.shape[0], columns: tensor.shape[1])
      .checkSides(field: "previous_mask")
    return try mask(
      file.data(of: tensor).map { Double($0) },
      tensor.shape[0],
      tensor.shape[1]
    )
  }

  private static func mask(
    _ values: [Double],
    _ rows: Int,
    _ columns: Int
  ) throws(Problem) -> Mask {
    var mask = Mask(rows: rows, columns: columns)
    for (index, value) in values.enumerated() where value != 0 {
      guard value == 1 else {
        throw Problem(
          .unprocessableContent,
          "A mask has entries 0 and 1, not \(value), at row \(index / columns), column "
            + "\(index % columns).",
          pointer: "/previous_mask/\(index / columns)/\(index % columns)"
        )
      }
      mask[index / columns, index % columns] = true
    }
    return mask
  }
}
