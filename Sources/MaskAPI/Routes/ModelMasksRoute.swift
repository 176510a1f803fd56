// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `POST /v1/models/masks`: the masks of all weight tensors of a model.
struct ModelMasksRoute: Route {
  let path = "/v1/models/masks"
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let body = try ModelBody(request, context)
    return .receive(try BodyReception(request, context, body))
  }
}
