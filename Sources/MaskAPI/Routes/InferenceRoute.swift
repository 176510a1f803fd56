// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `POST /v2/models/{model}/infer`: a mask or a sparse gradient, for clients of inference servers.
struct InferenceRoute: Route {
  let path: String
  let methods: [HTTPRequest.Method] = [.post]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let model = try InferenceModel.named(
      segment("model", of: request),
      version: segment("version", of: request)
    )
    let body = try InferenceBody(request, model, context)
    return .receive(try BodyReception(request, context, body))
  }
}

extension Router {
  /// The resources of the Open Inference Protocol, version 2.
  static let inference: [any Route] = {
    var routes: [any Route] = [
      InferenceServerRoute(path: "/v2", answer: .metadata),
      InferenceServerRoute(path: "/v2/health/live", answer: .live),
      InferenceServerRoute(path: "/v2/health/ready", answer: .ready),
      InferenceRepositoryRoute(),
    ]
    for base in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
      routes.append(InferenceModelRoute(path: base, answer: .metadata))
      routes.append(InferenceModelRoute(path: base + "/ready", answer: .ready))
      routes.append(InferenceModelRoute(path: base + "/config", answer: .configuration))
      routes.append(InferenceModelRoute(path: base + "/stats", answer: .statistics))
      routes.append(InferenceRoute(path: base + "/infer"))
    }
    return routes
  }()
}
