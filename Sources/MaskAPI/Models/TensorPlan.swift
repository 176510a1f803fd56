// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// What is done with one tensor of a model, decided before its data are read.
struct TensorPlan: Sendable {
  /// Why a tensor has no mask.
  enum Reason: Sendable {
    /// The request's `include` or `exclude` says so.
    case excluded
    case oneDimensional
    /// Whole numbers of 64 bits, which hold places rather than weights.
    case indexLike
    case boolean
    /// The group size does not divide a side of its matrices.
    case indivisible(Side, length: Int, m: Int)

    /// The word that programs go by.
    var name: String {
      switch self {
      case .excluded: "excluded"
      case .oneDimensional: "one_dimensional"
      case .indexLike: "index_like"
      case .boolean: "boolean"
      case .indivisible: "indivisible"
      }
    }

    /// One clause for people.
    var text: String {
      switch self {
      case .excluded: "left out by 'include' or 'exclude'"
      case .oneDimensional: "fewer than 2 dimensions"
      case .indexLike: "64-bit integers, which are indices rather than weights"
      case .boolean: "booleans"
      case .indivisible(let side, let length, let m):
        "\(length) \(side.rawValue), which m = \(m) does not divide"
      }
    }
  }

  enum Decision: Sendable {
    case mask(MatrixStack, MaskLayout)
    case skip(Reason)
  }

  let name: String
  let typeName: String
  let elementType: ElementType?
  let shape: [Int]
  let decision: Decision

  /// Decides about a tensor.
  ///
  /// - Throws: 422 for a type that is not read, in a tensor that is not excluded, or for a number of
  ///   groups that its shape cannot have.
  init(
    name: String,
    typeName: String,
    elementType: ElementType?,
    shape: [Int],
    _ parameters: ModelParameters
  ) throws(Problem) {
    self.name = name
    self.typeName = typeName
    self.elementType = elementType
    self.shape = shape
    guard parameters.includes(name) else {
      decision = .skip(.excluded)
      return
    }
    guard let elementType else {
      throw Problem(
        .unprocessableContent,
        "The tensor '\(name)' is of type \(typeName), which is not read here. Leave it out with "
          + "'exclude', or convert it to one of "
          + "\(DataType.allCases.map(\.rawValue).joined(separator: ", ")).",
        pointer: "/\(name.escapedForPointer)"
      )
    }
    guard case .numeric(let dataType) = elementType else {
      decision = .skip(.boolean)
      return
    }
    guard dataType != .int64 else {
      decision = .skip(.indexLike)
      return
    }
    guard shape.count >= 2 else {
      decision = .skip(.oneDimensional)
      return
    }
    try Self.checkSides(name, shape)
    let stack = MatrixStack(
      shape: shape,
      groups: try Self.groups(name, shape, parameters)
    )
    do throws(SpecificationError) {
      let layout = try MaskLayout(
        parameters.mask.specification,
        rows: stack.rows,
        columns: stack.columns
      )
      decision = .mask(stack, layout)
    } catch {
      guard case .indivisible(let side, let length, let m) = error else { throw Problem(error) }
      decision = .skip(.indivisible(side, length: length, m: m))
    }
  }

  /// Refuses extents that are too long for a tensor without entries, whose bytes do not bound them.
  private static func checkSides(_ name: String, _ shape: [Int]) throws(Problem) {
    guard let longest = shape.max(), shape.contains(0), longest > MatrixHeader.maximumHollowSide
    else { return }
    throw Problem(
      .unprocessableContent,
      "The tensor '\(name)' has no entries, but an extent of \(longest); "
        + "\(MatrixHeader.maximumHollowSide) is the most that such a tensor may have.",
      pointer: "/\(name.escapedForPointer)"
    )
  }

  private static func groups(
    _ name: String,
    _ shape: [Int],
    _ parameters: ModelParameters
  ) throws(Problem) -> Int {
    guard let groups = parameters.groups[name] else { return 1 }
    guard shape.count >= 3, shape[0] % groups == 0 else {
      throw Problem(
        .unprocessableContent,
        "The tensor '\(name)' of shape \(shape) is no convolution of \(groups) groups.",
        pointer: "/groups/\(name.escapedForPointer)"
      )
    }
    return groups
  }

  /// Whether the tensor has a mask.
  var isMasked: Bool {
    if case .mask = decision { true } else { false }
  }

  /// What is told of the tensor when it is done.
  var progress: TensorProgress {
    var reason: String?
    if case .skip(let why) = decision { reason = why.text }
    return TensorProgress(name: name, typeName: typeName, shape: shape, skipReason: reason)
  }

  /// The number of elements.
  var count: Int { shape.reduce(1, *) }
}

extension String {
  /// The text as one step of a JSON pointer (RFC 6901, section 3).
  var escapedForPointer: String {
    replacing("~", with: "~0").replacing("/", with: "~1")
  }
}
