// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
public import MicroHTTP

/// The mask service: what answers the requests of an `HTTPServer`.
///
/// It keeps nothing between requests but its threads and the counts of patterns it has met.
public final class MaskService: RequestHandler {
  let configuration: ServiceConfiguration
  let pool: SolverPool
  let diversities = DiversityCache()
  private let router = Router()

  /// Starts the solver threads.
  public init(configuration: ServiceConfiguration) {
    self.configuration = configuration
    pool = SolverPool(threadCount: configuration.threads)
  }

  deinit { pool.stop() }

  public func begin(_ request: Request, connection: Connection) -> RequestDecision {
    let context = RequestContext(
      service: self, connection: connection, id: RequestContext.identifier(of: request),
      path: request.path, start: .now)
    do throws(Problem) {
      switch try router.route(request) {
      case .respond(let response): return .respond(context.finish(response))
      case .route(let route): return try route.begin(request, context)
      }
    } catch {
      return .respond(context.response(error))
    }
  }

  public func refusal(_ reason: TransportRefusal, request: Request?) -> Response {
    let id = request.map { RequestContext.identifier(of: $0) } ?? "-"
    var response = Problem(reason.status, reason.description)
      .response(instance: "\(request?.path ?? "")#\(id)")
    response.headers[.requestID] = id
    return response
  }
}
