// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /metrics`: counters for Prometheus.
struct MetricsRoute: Route {
  let path = "/metrics"
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    let service = context.service
    let text = service.metrics.text(
      Metrics.Gauges(
        activeRequests: service.activeRequests,
        admittedRequests: service.admission.admittedRequests,
        queueDepth: service.pool.queueDepth,
        reservedBytes: service.admission.reservedBytes
      )
    )
    return .respond(
      context.finish(
        Response(
          status: .ok,
          headers: [.contentType: "text/plain; version=0.0.4"],
          body: .bytes(Array(text.utf8))
        )
      )
    )
  }
}
