// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /healthz`: the process lives.
struct HealthRoute: Route {
  let path = "/healthz"
  let methods: [HTTPRequest.Method] = [.get]
  let needsToken = false

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    return .respond(context.finish(.plainOK))
  }
}

/// `GET /readyz`: the service takes work; 503 while it stops.
struct ReadinessRoute: Route {
  let path = "/readyz"
  let methods: [HTTPRequest.Method] = [.get]
  let needsToken = false

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    guard !context.service.isDraining else {
      throw Problem(
        .serviceUnavailable,
        "The service is stopping.",
        headers: [.retryAfter: "1"]
      )
    }
    return .respond(context.finish(.plainOK))
  }
}

extension Response {
  fileprivate static var plainOK: Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/plain", .cacheControl: "no-store"],
      body: .bytes(Array("ok\n".utf8))
    )
  }
}
