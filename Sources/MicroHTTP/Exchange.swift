// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc
internal import HTTPTypes
internal import Synchronization

/// One request and its answer, from the request line to the end; used by its connection's thread.
final class Exchange {
  private enum Stage {
    case header
    /// The body goes to a receiver.
    case receiving(any BodyReceiver)
    /// The body, if any, is dropped; the answer follows it.
    case dropping(Response)
    /// The answer is with the library, or was written directly.
    case answered
    /// Nothing more can be done; the connection is being closed.
    case over
  }

  private let engine: Engine
  private let connection: Connection
  /// The library's connection, valid during its callbacks.
  private let handle: OpaquePointer
  private let target: String?
  private let start = MonotonicClock.now

  private var stage = Stage.header
  private var method = ""
  private var request: Request?
  private var response: Response?
  private var bytesIn = 0
  private var bytesDropped = 0
  /// The moment before which the next body bytes are due.
  private var bodyDeadline = MonotonicClock.never
  /// Whether the client may still be sending when the connection is closed.
  private var lingers = false
  private var isUnanswered = false
  private var hasBadLength = false

  private(set) var hasHeader = false
  private(set) var isAnsweredDirectly = false

  private var configuration: ServerConfiguration { engine.configuration }

  init(
    engine: Engine,
    connection: Connection,
    handle: OpaquePointer,
    target: UnsafePointer<CChar>?
  ) {
    self.engine = engine
    self.connection = connection
    self.handle = handle
    self.target = target.flatMap { text in
      connection.knownHeader.withLock { $0?.target(text) } ?? String(validatingCString: text)
    }
    engine.activeRequests.add(1, ordering: .sequentiallyConsistent)
    connection.enter(.header, until: start + engine.configuration.headerTimeout.nanoseconds)
  }

  // MARK: The library's calls, in their order

  /// Decides what becomes of the request; the body has not been read.
  ///
  /// An answer given to the library now is final: it would close the connection after it. So a
  /// request without a body waits for the call that ends the body.
  func headerIsComplete(_ header: LibraryHeader) -> Bool {
    hasHeader = true
    method = String(cString: header.method)
    connection.enter(.working, until: MonotonicClock.never)
    do {
      let (request, expectsContinue) = try read(header)
      self.request = request
      switch engine.handler.begin(request, connection: connection) {
      case .receive(let receiver): stage = .receiving(receiver)
      case .respond(let response):
        let isSmall = request.isChunked || request.contentLength ?? 0 <= configuration.drainLimit
        guard isSmall && !expectsContinue else { return refuse(with: response) }
        stage = .dropping(response)
      }
      if request.hasBody {
        bodyDeadline = MonotonicClock.now + configuration.bodyTimeout.nanoseconds
        connection.enter(.body, until: bodyDeadline)
      }
      return true
    } catch {
      return refuse(with: engine.handler.refusal(error, request: request))
    }
  }

  /// Takes a piece of the body, which is all that the library has of it.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard take(bytes) else { return false }
    guard case .receiving = stage, !connection.isSecure, let length = request?.contentLength,
      length - bytesIn >= configuration.directBodyBytes,
      var body = DirectBody(of: microhttp_socket(handle))
    else { return true }
    return receive(&body, length)
  }

  /// Takes all of the body that the library has not read, and answers.
  ///
  /// - Returns: false, which makes the library close the connection.
  private func receive(_ body: inout DirectBody, _ length: Int) -> Bool {
    while bytesIn < length {
      var room: UnsafeMutableRawBufferPointer?
      if case .receiving(let receiver) = stage { room = receiver.room() }
      guard let piece = body.next(upTo: length - bytesIn, into: room), take(piece) else {
        return false
      }
    }
    connection.enter(.working, until: MonotonicClock.never)
    switch stage {
    case .receiving(let receiver):
      stage = .over
      return answerDirectly(receiver.finish(), bodyIsWhole: true)
    case .dropping(let response): return answerDirectly(response, bodyIsWhole: true)
    case .header, .answered, .over: return false
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytesIn += bytes.count
    let arrival = MonotonicClock.now
    let gained = MonotonicClock.time(
      for: bytes.count,
      at: configuration.minimumBodyBytesPerSecond
    )
    bodyDeadline = min(
      bodyDeadline + gained,
      arrival + configuration.bodyTimeout.nanoseconds
    )
    switch stage {
    case .receiving(let receiver):
      connection.enter(.working, until: MonotonicClock.never)
      let early = receiver.receive(bytes)
      bodyDeadline += MonotonicClock.now - arrival
      if let early {
        stage = .dropping(early)
        let left = request?.contentLength.map { $0 - bytesIn }
        if let left, left > configuration.drainLimit { return answerDirectly(early) }
      }
    case .dropping(let response):
      bytesDropped += bytes.count
      if bytesDropped > configuration.drainLimit { return answerDirectly(response) }
    case .header, .answered, .over: return false
    }
    connection.enter(.body, until: bodyDeadline)
    return true
  }

  /// Answers, after the last byte of the body.
  func bodyIsComplete() -> Bool {
    connection.enter(.working, until: MonotonicClock.never)
    switch stage {
    case .receiving(let receiver):
      if let length = request?.contentLength, length != bytesIn {
        engine.log("A body of \(length) bytes ended after \(bytesIn).")
        return false
      }
      stage = .over
      return queue(receiver.finish(), closesConnection: false)
    case .dropping(let response): return queue(response, closesConnection: false)
    case .header, .answered, .over: return false
    }
  }

  /// Puts the application's answer in the place of a refusal that the library is about to send.
  ///
  /// libmicrohttpd answers faults of syntax by itself, in fixed HTML, and a bad Content-Length with
  /// two heads in a row. All it lets one know is its log, so this reads the log of version 0.9.75;
  /// with other words there, the library's own answer goes out.
  func libraryLogged(_ message: String) {
    if message.contains("Content-Length") { hasBadLength = true }
    let announcement = "Error processing request (HTTP response code is "
    guard message.hasPrefix(announcement), !connection.isSecure,
      let status = Int(message.dropFirst(announcement.count).prefix { $0.isNumber })
    else { return }
    let reason: TransportRefusal? =
      switch (status, stage) {
      case (413, .header) where hasBadLength: .contentLengthTooLarge
      case (400, .header): hasBadLength ? .malformedContentLength : .malformedRequest
      case (414, .header), (431, .header):
        .headerTooLarge(limit: configuration.maximumHeaderBytes)
      case (_, .receiving), (_, .dropping): .malformedChunk
      default: nil
      }
    guard let reason else { return }
    if case .receiving(let receiver) = stage {
      stage = .over
      receiver.cancel()
    }
    _ = answerDirectly(engine.handler.refusal(reason, request: request))
    // What the library sends from now on does not leave this machine.
    shutdown(microhttp_socket(handle), Int32(SHUT_WR))
  }

  /// Ends the exchange; the library forgets it afterwards.
  func isOver(_ code: MHD_RequestTerminationCode) {
    let expired = connection.phaseThatExpired
    let now = MonotonicClock.now
    let lingerDeadline = now + configuration.lingerTimeout.nanoseconds
    connection.enter(.closing, until: lingerDeadline + 1_000_000_000)

    var wasAnswered = false
    if case .answered = stage { wasAnswered = true }
    if case .receiving(let receiver) = stage {
      stage = .over
      receiver.cancel()
    }
    if !wasAnswered, expired == .header || expired == .body {
      let reason = expired == .body ? TransportRefusal.bodyTimeout : .headerTimeout
      _ = answerDirectly(engine.handler.refusal(reason, request: request))
    }

    let isWhole = isAnsweredDirectly || wasAnswered && code == .REQUEST_TERMINATED_COMPLETED_OK
    let outcome: RequestCompletion.Outcome =
      switch (isWhole, expired) {
      // The last byte and the deadline can come at the same time.
      case (true, _) where wasAnswered: .answered
      case (_, .header), (_, .body): .timedOut
      case (true, _): .answered
      case (false, _) where isUnanswered: .unanswered
      case (false, _): connection.isStopped ? .stopped : .clientGone
      }
    let sendsBody = method != "HEAD"
    engine.handler.requestCompleted(
      RequestCompletion(
        request: request,
        method: method,
        target: target ?? "",
        remoteAddress: connection.remoteAddress,
        response: response,
        bytesIn: bytesIn,
        bytesOut: isWhole && sendsBody ? response?.body.count ?? 0 : 0,
        duration: .nanoseconds(MonotonicClock.now - start),
        outcome: outcome
      )
    )
    engine.activeRequests.subtract(1, ordering: .sequentiallyConsistent)

    if lingers && isWhole {
      DirectAnswer.linger(
        on: microhttp_socket(handle),
        shutsDown: !connection.isSecure,
        until: lingerDeadline
      )
    }
    if code == .REQUEST_TERMINATED_COMPLETED_OK && !lingers {
      connection.enter(.idle, until: engine.idleDeadline(isFirst: false))
    }
  }

  // MARK: Steps

  private func read(
    _ header: LibraryHeader
  ) throws(TransportRefusal) -> (Request, expectsContinue: Bool) {
    let limit = configuration.maximumHeaderBytes
    guard header.size <= limit else { throw .headerTooLarge(limit: limit) }
    if let known = connection.knownHeader.withLock({ $0 }),
      known.isRepeated(in: header, method: method, target: target)
    {
      return (known.request, known.expectsContinue)
    }
    guard let method = HTTPRequest.Method(method) else { throw .malformedMethod }
    guard let target else { throw .malformedTarget }
    let framing = try Framing(header)
    let request = try Request(
      method: method,
      target: target,
      headers: framing.fields,
      contentLength: framing.contentLength,
      isChunked: framing.isChunked,
      remoteAddress: connection.remoteAddress,
      isSecure: connection.isSecure
    )
    self.request = request
    let expectsContinue = try framing.expectsContinue(isHTTP10: header.isHTTP10)
    let known = KnownHeader(
      request,
      expectsContinue: expectsContinue,
      isHTTP10: header.isHTTP10,
      fields: framing.fieldBytes
    )
    connection.knownHeader.withLock { $0 = known }
    return (request, expectsContinue)
  }

  /// Answers at once and closes the connection, the body unread.
  private func refuse(with response: Response) -> Bool {
    lingers = true
    return queue(response, closesConnection: true)
  }

  private func enterReply(_ response: Response) {
    connection.enterReply(
      of: response.body.count,
      timeout: configuration.replyTimeout.nanoseconds,
      rate: configuration.minimumReplyBytesPerSecond
    )
  }

  /// Hands the answer to the library, which sends it when this callback has returned.
  private func queue(_ response: Response, closesConnection: Bool) -> Bool {
    let closes = closesConnection || engine.isDraining.load(ordering: .relaxed)
    guard let made = response.makeLibraryResponse(closesConnection: closes) else {
      engine.log("There is no memory for a response.")
      return false
    }
    defer { MHD_destroy_response(made) }
    enterReply(response)
    guard MHD_queue_response(handle, UInt32(response.status.code), made) == .YES else {
      engine.log("A response with status \(response.status.code) was refused by the library.")
      return false
    }
    self.response = response
    stage = .answered
    return true
  }

  /// Writes the answer to the socket in the middle of a body, where the library takes none.
  ///
  /// Over TLS the connection is closed without it.
  ///
  /// - Parameter bodyIsWhole: whether the client has sent all it wanted to, and so will be reading.
  /// - Returns: false, which makes the library close the connection.
  private func answerDirectly(_ response: Response, bodyIsWhole: Bool = false) -> Bool {
    stage = .over
    self.response = response
    isUnanswered = connection.isSecure
    if isUnanswered { return false }
    var deadline = MonotonicClock.never
    if bodyIsWhole {
      enterReply(response)
    } else {
      let timeout = min(configuration.replyTimeout, configuration.lingerTimeout)
      deadline = MonotonicClock.now + timeout.nanoseconds
      connection.enter(.reply, until: deadline + 1_000_000_000)
    }
    lingers = true
    isAnsweredDirectly = DirectAnswer.send(
      response,
      to: microhttp_socket(handle),
      withoutBody: method == "HEAD",
      until: deadline
    )
    return false
  }
}
