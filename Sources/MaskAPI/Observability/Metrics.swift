// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import HTTPTypes
import Sparsity
import Synchronization

/// Counters and histograms in the Prometheus text format 0.0.4.
///
/// By hand, because swift-metrics is a front end only and no back end for this format is among the
/// packages that the project can depend on.
final class Metrics: Sendable {
  private struct Histogram {
    static let bounds: [Double] = [
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]
    /// By the first bound that a value does not pass; the last one is for values beyond all.
    var buckets = [Int](repeating: 0, count: bounds.count + 1)
    var sum = 0.0

    mutating func observe(_ value: Double) {
      buckets[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
      sum += value
    }

    mutating func add(_ other: Histogram) {
      for index in buckets.indices { buckets[index] += other.buckets[index] }
      sum += other.sum
    }
  }

  private struct RequestLabels: Hashable {
    let method: String
    let route: String
    let status: Int

    var text: String { #"method="\#(method)",route="\#(route)",status="\#(status)""# }
  }

  private struct SolveLabels: Hashable {
    let method: MaskMethod
    let pattern: Pattern

    var text: String { #"solver="\#(method.rawValue)",pattern="\#(pattern)""# }
  }

  private struct Values {
    var requests: [RequestLabels: Histogram] = [:]
    var solves: [SolveLabels: Histogram] = [:]
    var blocks: [SolveLabels: Int] = [:]
    var bodyBytes = 0
    var certificateFailures = 0

    /// Counts masks that were found, or were not proved as their method must.
    mutating func add(_ work: RequestRecord.Work) {
      guard let specification = work.specification else { return }
      let labels = SolveLabels(method: specification.method, pattern: specification.pattern)
      let m = specification.pattern.m
      let area = specification.structure == .transposable ? m * m : m
      solves[labels, default: Histogram()].observe(work.busy.seconds)
      blocks[labels, default: 0] += work.rows * work.columns / area
      if work.isCertificateBroken { certificateFailures += 1 }
    }

    mutating func add(_ other: Values) {
      for (labels, histogram) in other.requests {
        requests[labels, default: Histogram()].add(histogram)
      }
      for (labels, histogram) in other.solves {
        solves[labels, default: Histogram()].add(histogram)
      }
      for (labels, count) in other.blocks { blocks[labels, default: 0] += count }
      bodyBytes += other.bodyBytes
      certificateFailures += other.certificateFailures
    }
  }

  /// What is read at the moment of a scrape.
  struct Gauges {
    var activeRequests: Int
    var admittedRequests: Int
    var queueDepth: Int
    var reservedBytes: Int
  }

  /// A client may send any word for a method; labels are few.
  private static let methods: [HTTPRequest.Method] = [
    .post, .get, .head, .put, .delete, .options, .patch,
  ]

  private let values = Sharded(count: 16, Values())

  /// Counts a request that is over, and the work that it was.
  func countRequest(
    method: HTTPRequest.Method?,
    route: String,
    status: Int,
    duration: Duration,
    bodyBytes: Int,
    work: RequestRecord.Work?
  ) {
    let method = method.flatMap { Self.methods.contains($0) ? $0.rawValue : nil } ?? "other"
    let labels = RequestLabels(method: method, route: route, status: status)
    values.withLock { values in
      values.requests[labels, default: Histogram()].observe(duration.seconds)
      values.bodyBytes += bodyBytes
      if let work { values.add(work) }
    }
  }

  /// Everything as text.
  func text(_ gauges: Gauges) -> String {
    let values = values.values.reduce(into: Values()) { $0.add($1) }
    var text = ""
    func header(_ name: String, _ type: String, _ help: String) {
      text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
    func single(
      _ name: String,
      _ type: String,
      _ help: String,
      _ value: some CustomStringConvertible
    ) {
      header(name, type, help)
      text += "\(name) \(value)\n"
    }
    func histogram(_ name: String, _ help: String, _ series: [(String, Histogram)]) {
      header(name, "histogram", help)
      for (labels, histogram) in series.sorted(by: { $0.0 < $1.0 }) {
        var count = 0
        for (bound, more) in zip(Histogram.bounds, histogram.buckets) {
          count += more
          text += "\(name)_bucket{\(labels),le=\"\(bound)\"} \(count)\n"
        }
        count += histogram.buckets[Histogram.bounds.count]
        text += "\(name)_bucket{\(labels),le=\"+Inf\"} \(count)\n"
        text += "\(name)_sum{\(labels)} \(histogram.sum)\n"
        text += "\(name)_count{\(labels)} \(count)\n"
      }
    }
    histogram(
      "http_server_request_duration_seconds",
      "From the request line to the end of the answer.",
      values.requests.map { ($0.text, $1) }
    )
    single(
      "http_server_active_requests",
      "gauge",
      "Requests that are not over.",
      gauges.activeRequests
    )
    single(
      "nmmask_admitted_requests",
      "gauge",
      "Requests that were admitted to work.",
      gauges.admittedRequests
    )
    single(
      "nmmask_request_body_bytes_total",
      "counter",
      "Body bytes that arrived.",
      values.bodyBytes
    )
    header("nmmask_blocks_solved_total", "counter", "Tiles or groups whose mask was found.")
    for (labels, count) in values.blocks.map({ ($0.text, $1) }).sorted(by: { $0.0 < $1.0 }) {
      text += "nmmask_blocks_solved_total{\(labels)} \(count)\n"
    }
    histogram(
      "nmmask_solve_duration_seconds",
      "Solver time of a request.",
      values.solves.map { ($0.text, $1) }
    )
    single(
      "nmmask_queue_depth",
      "gauge",
      "Pieces of work that no solver has taken yet.",
      gauges.queueDepth
    )
    single(
      "nmmask_certificate_failures_total",
      "counter",
      "Masks of the exact method whose proof left a gap.",
      values.certificateFailures
    )
    single(
      "nmmask_reserved_bytes",
      "gauge",
      "Memory set aside for requests.",
      gauges.reservedBytes
    )
    header("nmmask_build_info", "gauge", "The version, as a label.")
    text += "nmmask_build_info{version=\"\(Engine.version)\"} 1\n"
    for (name, type, help, value) in ProcessMetrics.read() { single(name, type, help, value) }
    return text
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// The duration in milliseconds, to three places.
  var milliseconds: Double { (seconds * 1e6).rounded() / 1e3 }
}
