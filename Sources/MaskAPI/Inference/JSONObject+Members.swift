// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import TensorIO

/// Members of a protocol's objects, whose wrong kinds are faults of the request's form.
extension JSONObject {
  /// Refuses names other than `names`; `place` is the object's JSON pointer.
  func allowOnly(_ names: Set<String>, at place: String) throws(Problem) {
    guard let member = members.first(where: { !names.contains($0.name) }) else { return }
    let known = names.sorted().joined(separator: ", ")
    throw Problem(
      .badRequest,
      "There is no member '\(member.name)' here; there are: \(known).",
      pointer: place + "/" + member.name.replacing("~", with: "~0").replacing("/", with: "~1")
    )
  }

  /// A text, where there is one.
  func string(_ name: String, at place: String) throws(Problem) -> String? {
    switch self[name] {
    case nil: return nil
    case .string(let text)?: return text
    case let other?: throw wrongKind(name, "a string", other, place)
    }
  }

  /// An object, where there is one.
  func object(_ name: String, at place: String) throws(Problem) -> JSONObject? {
    switch self[name] {
    case nil: return nil
    case .object(let object)?: return object
    case let other?: throw wrongKind(name, "an object", other, place)
    }
  }

  /// An array of objects, where there is one.
  func objects(_ name: String, at place: String) throws(Problem) -> [JSONObject]? {
    switch self[name] {
    case nil: return nil
    case .numbers(let array)? where array.shape == [0] && array.irregularity == nil: return []
    case .array(let elements)?:
      var objects: [JSONObject] = []
      for element in elements {
        guard case .object(let object) = element else {
          throw wrongKind(name, "an array of objects", element, place)
        }
        objects.append(object)
      }
      return objects
    case let other?: throw wrongKind(name, "an array of objects", other, place)
    }
  }

  private func wrongKind(
    _ name: String,
    _ wanted: String,
    _ found: JSONValue,
    _ place: String
  ) -> Problem {
    Problem(
      .badRequest,
      "'\(name)' must be \(wanted), not \(found.kindName).",
      pointer: "\(place)/\(name)"
    )
  }
}

extension JSONValue {
  /// True or false; `place` is the value's JSON pointer.
  func boolean(at place: String) throws(Problem) -> Bool {
    guard case .bool(let value) = self else {
      throw Problem(
        .badRequest,
        "A boolean must stand at \(place), not \(kindName).",
        pointer: place
      )
    }
    return value
  }

  /// The value as the extents of a shape: a flat array of whole numbers from 0 on.
  var extents: [Int]? {
    guard case .numbers(let array) = self, array.irregularity == nil, array.shape.count == 1,
      array.leaf != .boolean
    else { return nil }
    var extents: [Int] = []
    for index in array.values.indices {
      guard let extent = array.integer(at: index), extent >= 0 else { return nil }
      extents.append(extent)
    }
    return extents
  }
}

extension Problem {
  /// The same problem, its pointer below another place.
  func moved(below place: String) -> Problem {
    var problem = self
    problem.pointer = pointer.map { place + $0 }
    return problem
  }
}
