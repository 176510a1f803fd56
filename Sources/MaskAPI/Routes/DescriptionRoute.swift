// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /openapi.yaml`: the description of the service, as it stands in the repository.
struct DescriptionRoute: Route {
  let path = "/openapi.yaml"
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    return .respond(
      context.finish(
        Response(
          status: .ok,
          headers: [.contentType: "application/yaml"],
          body: .bytes(PackageResources.openapi_yaml)
        )
      )
    )
  }
}
