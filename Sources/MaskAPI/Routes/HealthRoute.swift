// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /healthz` and `GET /readyz`: whether the process lives, and whether it takes work.
struct HealthRoute: Route {
  let path: String
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    return .respond(
      context.finish(
        Response(
          status: .ok, headers: [.contentType: "text/plain", .cacheControl: "no-store"],
          body: .bytes(Array("ok\n".utf8)))))
  }
}
