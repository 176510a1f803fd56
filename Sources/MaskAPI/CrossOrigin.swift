// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// Which web pages' scripts may call the service (the Fetch standard's CORS protocol); none unless set.
struct CrossOrigin: Sendable {
  /// Origins as browsers send them, such as `https://example.org`.
  let origins: Set<String>

  /// The fields that let the page of `request` read an answer.
  func fields(for request: Request) -> HTTPFields {
    guard !origins.isEmpty else { return [:] }
    var fields: HTTPFields = [.vary: "Origin"]
    guard let origin = request.headers[.origin], origins.contains(origin) else { return fields }
    fields[.accessControlAllowOrigin] = origin
    fields[.accessControlExposeHeaders] =
      "X-Request-Id, Server-Timing, Mask-Summary, Gradient-Summary, Retry-After"
    if request.method == .options {
      fields[.accessControlAllowMethods] = "GET, POST"
      fields[.accessControlAllowHeaders] =
        "Authorization, Content-Type, Content-Encoding, X-Request-Id"
      fields[.accessControlMaxAge] = "600"
    }
    return fields
  }
}
