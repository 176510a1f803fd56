// SPDX-License-Identifier: GPL-3.0-or-later

/// What a server listens on and how long and how large its clients may be.
public struct ServerConfiguration: Sendable {
  /// The address to bind, a name or a number; loopback unless set.
  public var host = "127.0.0.1"
  /// The TCP port; 0 takes any free one, which `HTTPServer.port` then tells.
  public var port = 0
  /// The path of a Unix socket to listen on, instead of host and port.
  ///
  /// The socket is created with mode 0600. A file that nobody listens on is replaced.
  public var unixSocketPath: String?
  /// The certificate and key to speak TLS with; plain text when nil.
  public var tls: TLSIdentity?

  /// The connections kept at once; the library resets those beyond.
  ///
  /// Set it well above the number of requests that are admitted to work, so that surplus clients
  /// can be told to come back later.
  public var maximumConnections = 4096
  /// The size of a request line and its header above which the answer is 431, in bytes.
  public var maximumHeaderBytes = 32 << 10
  /// The time from the connection, or from the request line, to the end of the header.
  public var headerTimeout = Duration.seconds(10)
  /// The time from one reply to the next request line.
  public var idleTimeout = Duration.seconds(75)
  /// How far a body may fall behind `minimumBodyBytesPerSecond`, which bounds a pause as well.
  ///
  /// A body of n bytes is therefore cut at the latest after bodyTimeout + n / rate. The time that
  /// a receiver spends with the bytes does not count.
  public var bodyTimeout = Duration.seconds(30)
  /// The slowest rate at which a body may arrive.
  public var minimumBodyBytesPerSecond = 16 << 10
  /// The time in which a client must read a reply, or a part of it at `minimumReplyBytesPerSecond`.
  ///
  /// A reply of n bytes is therefore cut at the latest after replyTimeout + n / rate.
  public var replyTimeout = Duration.seconds(30)
  /// The slowest rate at which a client may read a reply.
  public var minimumReplyBytesPerSecond = 16 << 10
  /// The longest time that a closing connection goes on discarding what its client still sends.
  ///
  /// A socket closed with unread bytes is reset, and a reset can destroy the answer before the
  /// client has read it.
  public var lingerTimeout = Duration.seconds(5)
  /// The bytes of an unwanted body that are read and dropped to keep a connection alive.
  public var drainLimit = 1 << 20

  /// The bytes still to come from which on a plain body is read in large pieces, past the library.
  ///
  /// It takes a tenth less time or better, and the connection ends with the answer. A body in chunks, or over
  /// TLS, is the library's.
  public var directBodyBytes = 8 << 20

  /// The memory the library gives a connection, in bytes; half of it is the read buffer.
  ///
  /// It is cleared after each request: with 128 KiB, requests of 16 KiB took an eighth longer, and
  /// those of 1 to 7 MiB an eighth less. Beside the header's bytes it holds 64 for each field, so that
  /// some hundred fields fill it; the answer is then the same as for a large header.
  public var connectionMemory = 64 << 10
  /// The stack of a connection's thread, in bytes.
  public var threadStackBytes = 512 << 10

  /// Makes a configuration of the defaults.
  public init() {}

  /// Refuses settings that no server can run with.
  func validate() throws(ServerError) {
    func require(_ condition: Bool, _ fault: String) throws(ServerError) {
      guard condition else { throw .invalidConfiguration(fault) }
    }
    try require((0...65535).contains(port), "port must be 0 to 65535")
    try require((1...1 << 20).contains(maximumConnections), "maximumConnections must be positive")
    try require(
      connectionMemory >= 4096 && connectionMemory <= 1 << 30,
      "connectionMemory must be 4 KiB to 1 GiB"
    )
    // The upper bound keeps the number of fields below what HTTPFields can hold.
    try require(
      maximumHeaderBytes > 0 && maximumHeaderBytes <= min(connectionMemory / 2, 128 << 10),
      "maximumHeaderBytes must be positive, at most 128 KiB and half of connectionMemory"
    )
    try require(threadStackBytes >= 128 << 10, "threadStackBytes must be at least 128 KiB")
    try require(drainLimit >= 0, "drainLimit must not be negative")
    try require(directBodyBytes >= 0, "directBodyBytes must not be negative")
    try require(
      minimumBodyBytesPerSecond > 0 && minimumReplyBytesPerSecond > 0,
      "a minimum rate must be positive"
    )
    try require(
      headerTimeout > .zero && idleTimeout > .zero && bodyTimeout > .zero && replyTimeout > .zero
        && lingerTimeout >= .zero,
      "a timeout must be positive"
    )
  }
}

/// A certificate chain and its private key, both as PEM text.
public struct TLSIdentity: Sendable {
  /// The certificate, followed by its intermediates.
  public var certificatePEM: String
  /// The private key, not encrypted.
  public var privateKeyPEM: String

  /// Makes an identity of two PEM texts.
  public init(certificatePEM: String, privateKeyPEM: String) {
    self.certificatePEM = certificatePEM
    self.privateKeyPEM = privateKeyPEM
  }
}
