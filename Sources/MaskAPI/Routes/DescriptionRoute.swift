// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /openapi.yaml`: the description of the service, as it stands in the repository.
struct DescriptionRoute: Route {
  let path = "/openapi.yaml"
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    let fields: HTTPFields = [
      .contentType: "application/yaml", .eTag: Self.tag, .cacheControl: "no-cache",
    ]
    if request.hasCurrent(Self.tag) {
      return .respond(context.finish(Response(status: .notModified, headers: fields)))
    }
    return .respond(
      context.finish(
        Response(status: .ok, headers: fields, body: .bytes(PackageResources.openapi_yaml))
      )
    )
  }

  /// Changes with the text: its 64-bit FNV-1a hash.
  private static let tag: String = {
    let hash = PackageResources.openapi_yaml.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
    }
    return "\"" + String(hash, radix: 16) + "\""
  }()
}

extension Request {
  /// Whether the client already has what `tag` stands for (RFC 9110, section 13.1.2).
  fileprivate func hasCurrent(_ tag: String) -> Bool {
    for field in headers[values: .ifNoneMatch] {
      for part in field.split(separator: ",") {
        let known = part.trimmingSpaces()
        if known == "*" || known == tag || known == "W/\(tag)" { return true }
      }
    }
    return false
  }
}
