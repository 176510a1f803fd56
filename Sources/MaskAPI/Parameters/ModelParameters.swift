// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import TensorIO

/// What a request for the masks of a model says beside its tensors.
struct ModelParameters: Sendable {
  let mask: MaskParameters
  private let include: [Glob]
  private let exclude: [Glob]
  /// The groups of the convolutions that have more than one, by the names of their weights.
  let groups: [String: Int]
  /// Whether a tensor that is skipped is a fault, unless it is excluded.
  let isStrict: Bool
  /// Whether the report tells how long each tensor took.
  let tellsTimes: Bool

  static let names = MaskParameters.names.union([
    "include", "exclude", "groups", "strict", "timings",
  ])

  /// Reads and checks the parameters.
  init(_ parameters: ParameterSet) throws(Problem) {
    mask = try MaskParameters(parameters)
    include = try Self.globs(parameters, "include")
    exclude = try Self.globs(parameters, "exclude")
    groups = try Self.groups(parameters)
    isStrict = try parameters.boolean("strict") ?? false
    tellsTimes = try parameters.boolean("timings") ?? false
  }

  /// Whether the tensor of this name is to be masked.
  func includes(_ name: String) -> Bool {
    (include.isEmpty || include.contains { $0.matches(name) })
      && !exclude.contains { $0.matches(name) }
  }

  /// Refuses patterns and names that stand for no tensor: each is a mistake.
  func check(_ names: [String]) throws(Problem) {
    for (parameter, globs) in [("include", include), ("exclude", exclude)] {
      if let glob = globs.first(where: { glob in !names.contains { glob.matches($0) } }) {
        throw Problem(
          .unprocessableContent,
          "There is no tensor whose name matches '\(glob.text)'.",
          pointer: "/\(parameter)"
        )
      }
    }
    if let name = groups.keys.filter({ !names.contains($0) }).min() {
      throw Problem(
        .unprocessableContent,
        "There is no tensor '\(name)' to have groups.",
        pointer: "/groups/\(name.escapedForPointer)"
      )
    }
  }

  private static func globs(
    _ parameters: ParameterSet,
    _ name: String
  ) throws(Problem) -> [Glob] {
    var texts: [String] = []
    switch parameters[name] {
    case nil: return []
    case .text(let text)?, .json(.string(let text))?:
      texts = text.split(separator: ",").map { String($0.trimmingSpaces()) }
    case .json(.array(let values))?:
      for value in values {
        guard case .string(let text) = value else { throw wrongGlobs(name) }
        texts.append(text)
      }
    case .json?: throw wrongGlobs(name)
    }
    guard !texts.isEmpty, texts.allSatisfy({ !$0.isEmpty }) else { throw wrongGlobs(name) }
    return texts.map { Glob($0) }
  }

  private static func wrongGlobs(_ name: String) -> Problem {
    Problem(
      .unprocessableContent,
      "'\(name)' must be patterns of names: a text with commas between them, or in JSON an array.",
      pointer: "/\(name)"
    )
  }

  private static func groups(_ parameters: ParameterSet) throws(Problem) -> [String: Int] {
    let wrong = Problem(
      .unprocessableContent,
      "'groups' must be a JSON object of names and numbers of groups, as {\"conv.weight\": 32}.",
      pointer: "/groups"
    )
    let value: JSONValue
    switch parameters["groups"] {
    case nil: return [:]
    case .json(let json)?: value = json
    case .text(let text)?:
      var scanner = JSONScanner(limits: .init(heldBytes: 1 << 20))
      do throws(JSONError) {
        try scanner.consume(Array(text.utf8))
        value = try scanner.finish()
      } catch {
        throw wrong
      }
    }
    guard case .object(let object) = value else { throw wrong }
    var groups: [String: Int] = [:]
    for member in object.members {
      guard case .number(let number) = member.value, let count = number.int, count >= 1 else {
        throw wrong
      }
      groups[member.name] = count
    }
    return groups
  }
}
