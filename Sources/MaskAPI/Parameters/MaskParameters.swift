// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity

/// How a reply spells a mask.
public enum MaskEncoding: String, CaseIterable, Sendable {
  /// Rows of 0 and 1.
  case array
  /// numpy's `packbits(bitorder="little")` of the row-major mask, in base64.
  case bits
}

/// What a request for a mask says beside its weights.
struct MaskParameters: Sendable {
  let specification: MaskSpecification
  /// Nil where the form of the body decides.
  let encoding: MaskEncoding?
  /// How long the request is ready to wait for solvers; nil for as long as the service lets it.
  let timeout: Duration?

  static let names: Set<String> = [
    "n", "m", "structure", "constraint", "method", "remainder", "mask_encoding", "timeout_ms",
  ]

  /// Refuses an encoding for JSON where the reply has another form, in which it would mean nothing.
  func checkEncoding(for form: ReplyForm) throws(Problem) {
    guard form == .json || encoding == nil else {
      throw Problem(
        .unprocessableContent,
        "'mask_encoding' is for replies in JSON; this one is '\(form.rawValue)'.",
        pointer: "/mask_encoding"
      )
    }
  }

  /// Reads and checks the parameters.
  init(_ parameters: ParameterSet) throws(Problem) {
    let n = try parameters.requiredInteger("n")
    let m = try parameters.requiredInteger("m")
    let structure = try parameters.choice("structure", Structure.self) ?? .transposable
    let constraint = try parameters.choice("constraint", Constraint.self) ?? .exactly
    let method = try parameters.choice("method", MaskMethod.self) ?? .exact
    let remainder = try parameters.choice("remainder", Remainder.self) ?? .error
    encoding = try parameters.choice("mask_encoding", MaskEncoding.self)
    if let milliseconds = try parameters.integer("timeout_ms") {
      guard milliseconds > 0 else {
        throw Problem(
          .unprocessableContent,
          "'timeout_ms' must be at least 1, not \(milliseconds).",
          pointer: "/timeout_ms"
        )
      }
      timeout = .milliseconds(milliseconds)
    } else {
      timeout = nil
    }
    specification = try Problem.rethrow { () throws(SpecificationError) in
      let pattern: Pattern
      do throws(PatternError) {
        pattern = try Pattern(n: n, m: m)
      } catch {
        throw .pattern(error)
      }
      return try MaskSpecification(
        pattern: pattern,
        structure: structure,
        constraint: constraint,
        method: method,
        remainder: remainder
      )
    }
  }
}
