// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP

/// A path with names for some of its segments, such as `/v2/models/{model}/infer`.
struct PathTemplate: Sendable {
  private enum Segment: Sendable {
    case literal(Substring)
    case value(name: Substring)
  }

  private let segments: [Segment]

  init(_ text: String) {
    segments = Self.split(text).map { segment in
      segment.first == "{" && segment.last == "}"
        ? .value(name: segment.dropFirst().dropLast()) : .literal(segment)
    }
  }

  /// Whether the text has a named segment.
  static func isTemplate(_ text: String) -> Bool { text.contains("{") }

  /// What stands for each name in `path`; nil if the path is another one.
  ///
  /// A segment that is named must not be empty.
  func values(of path: String) -> [Substring: Substring]? {
    let parts = Self.split(path)
    guard parts.count == segments.count else { return nil }
    var values: [Substring: Substring] = [:]
    for (segment, part) in zip(segments, parts) {
      switch segment {
      case .literal(let text):
        // By bytes: String equality holds canonically equivalent texts equal.
        guard text.utf8.elementsEqual(part.utf8) else { return nil }
      case .value(let name):
        guard !part.isEmpty else { return nil }
        values[name] = part
      }
    }
    return values
  }

  private static func split(_ path: String) -> [Substring] {
    path.split(separator: "/", omittingEmptySubsequences: false)
  }
}

extension Route {
  /// What stands in the request's path for a named segment of the route's; empty if nothing does.
  func segment(_ name: Substring, of request: Request) -> String {
    PathTemplate(path).values(of: request.path)?[name].map(String.init) ?? ""
  }
}
