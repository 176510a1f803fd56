// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// A form in which a result can be sent.
enum ReplyForm: String, CaseIterable, Sendable {
  case json = "application/json"
  case npy = "application/x-npy"
  case octets = "application/octet-stream"
  case safetensors = "application/vnd.safetensors"
}

extension ReplyForm {
  /// The best of `forms` that the request's Accept fields allow; the first one where any will do.
  ///
  /// As RFC 9110, section 12.5.1: the most specific range that matches a type gives its weight.
  static func negotiated(
    for request: Request,
    among forms: [ReplyForm]
  ) throws(Problem) -> ReplyForm {
    // What clients of one purpose send.
    if let form = request.headers.single(.accept).flatMap(ReplyForm.init), forms.contains(form) {
      return form
    }
    let fields = request.headers[values: .accept]
    let ranges =
      fields
      .flatMap { $0.split(separator: ",") }
      .compactMap { MediaRange($0) }
    guard !ranges.isEmpty, let first = forms.first else { return forms.first ?? .json }
    var best: (form: ReplyForm, weight: Double)?
    for form in forms {
      let match = ranges.filter { $0.matches(form.rawValue) }.max { $0.precision < $1.precision }
      let weight = match?.weight ?? 0
      if weight > (best?.weight ?? 0) { best = (form, weight) }
    }
    // A client that wants JSON only would take a problem document too.
    if let best { return best.form }
    let offered = forms.map(\.rawValue).joined(separator: ", ")
    throw Problem(
      .notAcceptable,
      "None of the types in Accept can be made here; there are: \(offered).",
      headers: first == .json ? [.vary: "Accept"] : [:]
    )
  }
}

/// One range of an Accept field, such as `application/*;q=0.5`.
private struct MediaRange {
  let type: Substring
  let subtype: Substring
  let weight: Double

  init?(_ text: Substring) {
    let parts = text.split(separator: ";").map { $0.trimmingSpaces() }
    guard let range = parts.first else { return nil }
    let names = range.split(separator: "/", maxSplits: 1)
    guard names.count == 2 else { return nil }
    type = names[0]
    subtype = names[1]
    let weights = parts.dropFirst().compactMap { part -> Double? in
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2, pair[0].lowercased() == "q" else { return nil }
      return Double(pair[1])
    }
    weight = weights.first.map { min(max($0, 0), 1) } ?? 1
  }

  var precision: Int { type == "*" ? 0 : subtype == "*" ? 1 : 2 }

  func matches(_ mediaType: String) -> Bool {
    let names = mediaType.split(separator: "/")
    return (type == "*" || type.lowercased() == names[0])
      && (subtype == "*" || subtype.lowercased() == names[1])
  }
}

extension Substring {
  /// The text without spaces and tabs at its ends.
  func trimmingSpaces() -> Substring {
    var result = self
    while let first = result.first, first == " " || first == "\t" { result.removeFirst() }
    while let last = result.last, last == " " || last == "\t" { result.removeLast() }
    return result
  }
}
