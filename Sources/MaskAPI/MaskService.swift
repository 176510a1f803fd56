// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
public import Logging
public import MicroHTTP
import Synchronization

/// The mask service: what answers the requests of an `HTTPServer`.
///
/// It keeps nothing between requests but its threads, its counters and the counts of patterns it has
/// met.
public final class MaskService: RequestHandler {
  let configuration: ServiceConfiguration
  let pool: SolverPool
  let admission: Admission
  let metrics = Metrics()
  let diversities = DiversityCache()
  let inferenceStatistics = InferenceStatistics()
  private let crossOrigin: CrossOrigin
  private let accessLog: AccessLog
  private let router = Router()
  private let active = RequestCount()
  private let draining = Atomic<Bool>(false)

  /// Starts the solver threads.
  ///
  /// - Parameter logger: takes a line for each request.
  public init(configuration: ServiceConfiguration, logger: Logger) {
    self.configuration = configuration
    pool = SolverPool(threadCount: configuration.threads)
    admission = Admission(
      maximumRequests: configuration.maximumRequests,
      maximumBytes: configuration.maximumMemory
    )
    crossOrigin = CrossOrigin(origins: configuration.corsOrigins)
    accessLog = AccessLog(logger: logger)
  }

  deinit { pool.stop() }

  /// Makes `/readyz` say that no more work is taken.
  public func beginDraining() { draining.store(true, ordering: .relaxed) }

  var isDraining: Bool { draining.load(ordering: .relaxed) }

  /// The requests that have begun and are not over.
  var activeRequests: Int { active.value.load(ordering: .relaxed) }

  public func begin(_ request: Request, connection: Connection) -> RequestDecision {
    let match = Result { () throws(Problem) in try router.route(request) }
    var route = "unmatched"
    if case .success(.route(let matched)) = match { route = matched.path }
    let record = RequestRecord(
      id: RequestContext.identifier(of: request),
      route: route,
      traceParent: request.headers.single(.traceParent),
      count: active
    )
    let context = RequestContext(
      service: self,
      connection: connection,
      record: record,
      path: request.path,
      extraFields: crossOrigin.fields(for: request)
    )
    do throws(Problem) {
      switch try match.get() {
      case .respond(let response): return .respond(context.finish(response))
      case .route(let route):
        if route.needsToken { try configuration.authentication?.check(request) }
        if route.isWork {
          try checkAnnouncedBody(of: request)
          record.hold(try admission.admit())
        }
        return try route.begin(request, context)
      }
    } catch {
      return .respond(context.response(error))
    }
  }

  /// Refuses, before anything else is looked at, a body that is announced as too large, or in an
  /// encoding that is not read here.
  private func checkAnnouncedBody(of request: Request) throws(Problem) {
    if let length = request.contentLength, length > configuration.maximumBody {
      throw MatrixBody.tooLarge(configuration.maximumBody)
    }
    _ = try request.contentEncoding()
  }

  public func refusal(_ reason: TransportRefusal, request: Request?) -> Response {
    let record = RequestRecord(
      id: request.map { RequestContext.identifier(of: $0) } ?? "-",
      route: "refused",
      traceParent: nil,
      count: active
    )
    var response = Problem(reason.status, reason.description)
      .response(instance: "\(request?.path ?? "")#\(record.id)")
    response.headers[.requestID] = record.id
    response.attachment = record
    return response
  }

  public func requestCompleted(_ completion: RequestCompletion) {
    let record = completion.response?.attachment as? RequestRecord
    metrics.countRequest(
      method: completion.request?.method,
      route: record?.route ?? "unanswered",
      status: completion.response?.status.code ?? 0,
      duration: completion.duration,
      bodyBytes: completion.bytesIn,
      work: record?.work
    )
    accessLog.write(completion, record)
  }
}
