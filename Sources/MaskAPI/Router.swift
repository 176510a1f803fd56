// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// One resource of the service.
protocol Route: Sendable {
  /// The path, as sent, or the template of a family of paths.
  var path: String { get }
  var methods: [HTTPRequest.Method] { get }
  /// Whether the route is closed to clients without a token, where there are tokens.
  var needsToken: Bool { get }
  /// Whether the route takes memory and solver time, so that it needs to be admitted.
  var isWork: Bool { get }
  /// Decides about a request to this path by one of the methods.
  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision
}

extension Route {
  var needsToken: Bool { true }
  var isWork: Bool { methods.contains(.post) }
}

/// Finds the resource that a request is for.
struct Router: Sendable {
  enum Match {
    case route(any Route)
    case respond(Response)
  }

  private let routes: [String: any Route]
  private let families: [(template: PathTemplate, route: any Route)]

  init(_ routes: [any Route] = Router.all) {
    let isFamily = { (route: any Route) in PathTemplate.isTemplate(route.path) }
    families = routes.filter(isFamily).map { (PathTemplate($0.path), $0) }
    self.routes = Dictionary(
      uniqueKeysWithValues: routes.filter { !isFamily($0) }.map { ($0.path, $0) }
    )
  }

  /// Every resource there is.
  static let all: [any Route] =
    [
      MasksRoute(), ValidationRoute(), GradientsRoute(), DiversityRoute(),
      ModelMasksRoute(), CompressionRoute(), DecompressionRoute(),
      HealthRoute(), ReadinessRoute(), MetricsRoute(), DescriptionRoute(), StartPageRoute(),
    ] + inference

  /// The route of a request.
  ///
  /// - Throws: 404 for a path that is not there, 405 for a method that it does not have.
  func route(_ request: Request) throws(Problem) -> Match {
    let family = { families.first { $0.template.values(of: request.path) != nil }?.route }
    guard let route = routes[request.path] ?? family() else {
      throw Problem(.notFound, "There is nothing at '\(request.path)'; see /openapi.yaml.")
    }
    let isAllowed =
      route.methods.contains(request.method)
      || request.method == .head && route.methods.contains(.get)
    if isAllowed { return .route(route) }
    let allow = Self.allow(route)
    if request.method == .options {
      return .respond(Response(status: .noContent, headers: [.allow: allow]))
    }
    throw Problem(
      .methodNotAllowed,
      "'\(request.path)' has the methods \(allow).",
      headers: [.allow: allow]
    )
  }

  private static func allow(_ route: any Route) -> String {
    var methods = route.methods.map(\.rawValue)
    if route.methods.contains(.get) { methods.append("HEAD") }
    methods.append("OPTIONS")
    return methods.joined(separator: ", ")
  }
}
