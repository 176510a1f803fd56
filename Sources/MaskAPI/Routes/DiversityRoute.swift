// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO

/// `GET /v1/diversity`: how many masks a pattern allows for a matrix.
struct DiversityRoute: Route {
  let path = "/v1/diversity"
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    let parameters = try ParameterSet(queryOf: request)
    try parameters.allowOnly(["rows", "columns", "n", "m"])
    let report = try DiversityReport(parameters, context.service.diversities)
    return .respond(context.finish(.json(report.json)))
  }
}
