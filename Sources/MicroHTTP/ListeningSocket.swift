// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMicroHTTPD
internal import Glibc

/// A bound, listening socket.
struct ListeningSocket: Sendable {
  let descriptor: Int32
  /// The TCP port; 0 for a Unix socket.
  let port: Int
  private let path: String?

  /// Binds what the configuration asks for.
  init(_ configuration: ServerConfiguration) throws(ServerError) {
    if let path = configuration.unixSocketPath {
      self = try Self(path: path)
    } else {
      self = try Self(host: configuration.host, port: configuration.port)
    }
  }

  /// Refuses new clients from now on, those in the backlog too.
  func refuseClients() {
    shutdown(descriptor, Int32(SHUT_RD))
  }

  /// Closes the socket and removes its path.
  func close() {
    Glibc.close(descriptor)
    if let path { unlink(path) }
  }

  // MARK: TCP

  private init(host: String, port: Int) throws(ServerError) {
    let name = "\(host):\(port)"
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &list)
    guard status == 0, let list else {
      throw .cannotBind(address: name, code: 0, reason: String(cString: gai_strerror(status)))
    }
    defer { freeaddrinfo(list) }
    var fault: Int32 = 0
    var candidate: UnsafeMutablePointer<addrinfo>? = list
    while let entry = candidate?.pointee {
      candidate = entry.ai_next
      let descriptor = Self.open(entry.ai_family)
      guard descriptor >= 0 else {
        fault = errno
        continue
      }
      var yes: Int32 = 1
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
      if bind(descriptor, entry.ai_addr, entry.ai_addrlen) == 0, listen(descriptor, 4096) == 0 {
        self.init(descriptor: descriptor, port: Self.boundPort(of: descriptor), path: nil)
        return
      }
      fault = errno
      Glibc.close(descriptor)
    }
    throw .cannotBind(name, errno: fault)
  }

  private init(descriptor: Int32, port: Int, path: String?) {
    self.descriptor = descriptor
    self.port = port
    self.path = path
  }

  private static func open(_ family: Int32) -> Int32 {
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    return socket(family, Int32(type), 0)
  }

  private static func boundPort(of descriptor: Int32) -> Int {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { raw in
      guard let base = raw.baseAddress,
        getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &size) == 0
      else { return 0 }
      // The port lies at the same place in sockaddr_in and sockaddr_in6.
      return Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }
  }

  // MARK: Unix

  private init(path: String) throws(ServerError) {
    let bytes = Array(path.utf8)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard !bytes.isEmpty, bytes.count < room, !bytes.contains(0) else {
      throw .cannotBind(path, errno: ENAMETOOLONG)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let descriptor = Self.open(AF_UNIX)
    guard descriptor >= 0 else { throw .cannotBind(path, errno: errno) }
    // The mode of the file is that of the socket when it is bound, so it is never wider.
    fchmod(descriptor, 0o600)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = withUnsafeBytes(of: &address) { raw -> Int32 in
      guard let base = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
        return EINVAL
      }
      if bind(descriptor, base, size) == 0 { return 0 }
      guard errno == EADDRINUSE else { return errno }
      guard Self.isAbandoned(path, base, size) else { return EADDRINUSE }
      unlink(path)
      return bind(descriptor, base, size) == 0 ? 0 : errno
    }
    guard status == 0 else {
      Glibc.close(descriptor)
      throw .cannotBind(path, errno: status)
    }
    guard chmod(path, 0o600) == 0, listen(descriptor, 4096) == 0 else {
      let fault = errno
      Glibc.close(descriptor)
      unlink(path)
      throw .cannotBind(path, errno: fault)
    }
    self.init(descriptor: descriptor, port: 0, path: path)
  }

  /// Whether the path is a socket that no process listens on.
  private static func isAbandoned(
    _ path: String,
    _ address: UnsafePointer<sockaddr>,
    _ size: socklen_t
  ) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
    let probe = open(AF_UNIX)
    guard probe >= 0 else { return false }
    defer { Glibc.close(probe) }
    return connect(probe, address, size) != 0 && errno == ECONNREFUSED
  }
}
