// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import HTTPTypes
import MicroHTTP
import Synchronization

/// An application whose routes exercise one behaviour each, and which counts what happens.
final class TestApplication: RequestHandler {
  struct Counts: Equatable {
    var finished = 0
    var cancelled = 0
    var early = 0
    var begun = 0
    var receivers = 0
    /// The pieces that came in the memory that a receiver had offered.
    var inRoom = 0

    /// The receivers that have ended, in one of the three ways.
    var ended: Int { finished + cancelled + early }
  }

  private let countsLock = Mutex(Counts())
  private let completionsLock = Mutex<[RequestCompletion]>([])
  private let logLock = Mutex<[String]>([])
  private let gate = Atomic(false)
  private let clientsGone = Atomic(0)

  var counts: Counts { countsLock.withLock { $0 } }
  var completions: [RequestCompletion] { completionsLock.withLock { $0 } }
  var log: [String] { logLock.withLock { $0 } }
  /// How often `/block` saw its client leave.
  var clientsSeenGone: Int { clientsGone.load(ordering: .relaxed) }

  /// Lets `/block` answer.
  func openGate() { gate.store(true, ordering: .relaxed) }

  func write(_ line: String) { logLock.withLock { $0.append(line) } }

  /// The largest body that `/limited` takes.
  static let limit = 1000

  func begin(_ request: Request, connection: Connection) -> RequestDecision {
    countsLock.withLock { $0.begun += 1 }
    switch request.path {
    case "/hello": return .respond(Response(text: "hello"))
    case "/inspect": return .respond(Response(text: Self.describe(request)))
    case "/large":
      let size = request.query.first.flatMap { Int($0.value) } ?? 0
      return .respond(Response(status: .ok, body: .bytes(Self.pattern(size))))
    case "/refused": return .respond(Response(status: .notFound, text: "refused"))
    case "/limited" where request.contentLength ?? 0 > Self.limit:
      return .respond(Response(status: .contentTooLarge, text: "too large"))
    case "/no-content": return .respond(Response(status: .noContent))
    default:
      countsLock.withLock { $0.receivers += 1 }
      return .receive(Receiver(self, request, connection))
    }
  }

  func refusal(_ reason: TransportRefusal, request: Request?) -> Response {
    Response(status: reason.status, text: "refusal: \(reason)")
  }

  func requestCompleted(_ completion: RequestCompletion) {
    completionsLock.withLock { $0.append(completion) }
  }

  /// Bytes whose period, a prime, is no divisor of any buffer's size.
  static func pattern(_ count: Int) -> [UInt8] {
    let period = (0..<min(count, 65_521)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes += period.prefix(count - bytes.count) }
    return bytes
  }

  private static func describe(_ request: Request) -> String {
    var lines = ["\(request.method)", request.target, request.path]
    lines += request.query.map { "query \($0.name)=\($0.value)" }
    if let piece = request.malformedQuery { lines.append("malformed \(piece)") }
    lines += request.headers.map { "\($0.name.canonicalName)=\($0.value)" }
    lines.append("remote \(request.remoteAddress) secure \(request.isSecure)")
    return lines.joined(separator: "\n")
  }

  private final class Receiver: BodyReceiver {
    let application: TestApplication
    let request: Request
    let connection: Connection
    var bytes: [UInt8] = []
    var hasEnded = false
    /// What `/room` offers, but for each third time.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 10_000, alignment: 1)
    var offers = 0
    var isOffered = false

    init(_ application: TestApplication, _ request: Request, _ connection: Connection) {
      self.application = application
      self.request = request
      self.connection = connection
    }

    deinit { memory.deallocate() }

    func room() -> UnsafeMutableRawBufferPointer? {
      precondition(!hasEnded, "a call after the end")
      guard request.path == "/room" else { return nil }
      offers += 1
      isOffered = !offers.isMultiple(of: 3)
      return isOffered ? memory : nil
    }

    func receive(_ piece: UnsafeRawBufferPointer) -> Response? {
      precondition(!hasEnded, "a call after the end")
      if isOffered {
        precondition(piece.baseAddress == UnsafeRawPointer(memory.baseAddress), "another memory")
        precondition(piece.count <= memory.count, "more than there is room for")
        application.countsLock.withLock { $0.inRoom += 1 }
      }
      bytes += piece
      switch request.path {
      case "/early":
        end { $0.early += 1 }
        return Response(status: .unprocessableContent, text: "early")
      case "/late" where bytes.count >= 2_000_000:
        end { $0.early += 1 }
        return Response(status: .unprocessableContent, text: "late")
      case "/limited" where bytes.count > TestApplication.limit:
        end { $0.early += 1 }
        return Response(status: .contentTooLarge, text: "too large")
      default: return nil
      }
    }

    func finish() -> Response {
      end { $0.finished += 1 }
      switch request.path {
      case "/count": return Response(text: "\(bytes.count)")
      case "/block":
        for _ in 0..<10_000 where !application.gate.load(ordering: .relaxed) {
          if connection.isClientGone {
            application.clientsGone.add(1, ordering: .relaxed)
            break
          }
          usleep(1000)
        }
        return Response(text: "unblocked")
      default: return Response(status: .ok, body: .bytes(bytes))
      }
    }

    func cancel() { end { $0.cancelled += 1 } }

    private func end(_ count: (inout Counts) -> Void) {
      precondition(!hasEnded, "ended twice")
      hasEnded = true
      application.countsLock.withLock { count(&$0) }
    }
  }
}

extension Response {
  init(status: HTTPResponse.Status = .ok, text: String) {
    self.init(status: status, headers: [.contentType: "text/plain"], body: .bytes(Array(text.utf8)))
  }
}

/// The default configuration, changed.
func configured(_ change: (inout ServerConfiguration) -> Void) -> ServerConfiguration {
  var configuration = ServerConfiguration()
  change(&configuration)
  return configuration
}

/// Runs `body` against a server on a free port and stops the server after it.
func withServer<Result>(
  _ configuration: ServerConfiguration = ServerConfiguration(),
  _ body: (HTTPServer, TestApplication) throws -> Result
) throws -> Result {
  let application = TestApplication()
  let server = HTTPServer(configuration: configuration, handler: application) { line in
    application.write(line)
  }
  try server.start()
  defer { server.stop(drainWithin: .seconds(1)) }
  return try body(server, application)
}

/// Waits until the condition holds, for 5 s at most.
func eventually(_ condition: () -> Bool) -> Bool {
  for _ in 0..<2500 {
    if condition() { return true }
    usleep(2000)
  }
  return condition()
}
