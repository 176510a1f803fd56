// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc

// Free functions, because a closure written where an actor's isolation is inferred (main.swift)
// traps when the library calls it on its own threads. `context` is always the engine, retained by
// the server until the library has stopped.

private func engine(_ context: UnsafeMutableRawPointer?) -> Engine? {
  context.map { Unmanaged<Engine>.fromOpaque($0).takeUnretainedValue() }
}

/// The library's log.
func receiveLogMessage(
  context: UnsafeMutableRawPointer?,
  format: UnsafePointer<CChar>?,
  arguments: CVaListPointer?
) {
  guard let engine = engine(context), let format, let arguments else { return }
  let message = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
    guard let base = buffer.baseAddress, vsnprintf(base, buffer.count, format, arguments) > 0
    else { return "" }
    return String(cString: base)
  }
  guard let end = message.lastIndex(where: { !$0.isNewline }) else { return }
  // That a connection is ended after an answer of ours is an error to the library only.
  let exchange = CurrentExchange.get()
  if exchange?.isAnsweredDirectly != true { engine.log(String(message[...end])) }
  // Out of descriptors, the listening thread asks for the next client again and again, without a
  // pause. It is the one that says so.
  if message.hasPrefix("Hit process or system resource limit") { usleep(50_000) }
  exchange?.libraryLogged(message)
}

/// A connection was accepted (on the library's listening thread), or is about to be closed.
func receiveConnectionNotice(
  context: UnsafeMutableRawPointer?,
  connection: OpaquePointer?,
  socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  code: MHD_ConnectionNotificationCode
) {
  guard let engine = engine(context), let connection, let socketContext else { return }
  switch code {
  case .CONNECTION_NOTIFY_STARTED:
    let state = Connection(
      socket: microhttp_socket(connection),
      remoteAddress: addressText(microhttp_client_address(connection)),
      isSecure: engine.configuration.tls != nil,
      deadline: engine.idleDeadline(isFirst: true)
    )
    socketContext.pointee = Unmanaged.passRetained(state).toOpaque()
    engine.add(state)
  case .CONNECTION_NOTIFY_CLOSED:
    guard let pointer = socketContext.pointee else { return }
    socketContext.pointee = nil
    let state = Unmanaged<Connection>.fromOpaque(pointer).takeRetainedValue()
    state.markClosed()
    engine.remove(state)
  }
}

/// A request line has arrived; the header has not. What is returned is the request's context.
func receiveTarget(
  context: UnsafeMutableRawPointer?,
  target: UnsafePointer<CChar>?,
  connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let engine = engine(context), let connection,
    let pointer = microhttp_socket_context(connection)
  else { return nil }
  let exchange = Exchange(
    engine: engine,
    connection: Unmanaged<Connection>.fromOpaque(pointer).takeUnretainedValue(),
    handle: connection,
    target: target
  )
  CurrentExchange.set(exchange)
  return Unmanaged.passRetained(exchange).toOpaque()
}

/// The header is complete, body bytes have arrived, or the body is complete.
func receiveRequest(
  context: UnsafeMutableRawPointer?,
  connection: OpaquePointer?,
  url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?,
  version: UnsafePointer<CChar>?,
  bytes: UnsafePointer<CChar>?,
  count: UnsafeMutablePointer<Int>?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let connection, let pointer = requestContext?.pointee, let count, let method, let version
  else {
    return .NO
  }
  let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
  let goesOn: Bool
  if !exchange.hasHeader {
    goesOn = exchange.headerIsComplete(
      LibraryHeader(handle: connection, method: method, version: version)
    )
  } else if count.pointee > 0 {
    goesOn = exchange.receive(UnsafeRawBufferPointer(start: bytes, count: count.pointee))
    // Whatever is left here would come again, and the library may wait for more before that.
    count.pointee = 0
  } else {
    goesOn = exchange.bodyIsComplete()
  }
  return goesOn ? .YES : .NO
}

/// A request is over.
func receiveCompletion(
  context: UnsafeMutableRawPointer?,
  connection: OpaquePointer?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  code: MHD_RequestTerminationCode
) {
  guard let pointer = requestContext?.pointee else { return }
  requestContext?.pointee = nil
  CurrentExchange.set(nil)
  Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue().isOver(code)
}

/// An address as text: an IP number, or "unix".
private func addressText(_ address: UnsafePointer<sockaddr>?) -> String {
  guard let address else { return "" }
  let size = Int(INET6_ADDRSTRLEN)
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer in
    guard let text = buffer.baseAddress else { return "" }
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      var number = raw.loadUnaligned(as: sockaddr_in.self).sin_addr
      return inet_ntop(AF_INET, &number, text, socklen_t(size)).map { String(cString: $0) } ?? ""
    case AF_INET6:
      var number = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
      let whole =
        inet_ntop(AF_INET6, &number, text, socklen_t(size)).map { String(cString: $0) } ?? ""
      // An IPv4 client of a socket for both.
      return whole.hasPrefix("::ffff:") && whole.contains(".") ? String(whole.dropFirst(7)) : whole
    case AF_UNIX: return "unix"
    default: return ""
    }
  }
}
