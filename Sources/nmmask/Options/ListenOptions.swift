// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import Foundation
import MaskAPI
import MicroHTTP

/// Where the service listens, and who may use it.
struct ListenOptions: ParsableArguments {
  @Option(help: "The address to listen on. (default: 127.0.0.1)")
  var host: String?

  @Option(help: "The port to listen on; 0 takes any free one. (default: 8080)")
  var port: Int?

  @Option(
    help: "A Unix socket to listen on, mode 0600, in the place of host and port.",
    completion: .file()
  )
  var unixSocket: String?

  @Option(
    help: "A file of bearer tokens, one a line, read again on SIGHUP.",
    completion: .file()
  )
  var tokenFile: String?

  @Option(help: "A PEM file of the certificate, for TLS.", completion: .file())
  var tlsCertificate: String?

  @Option(help: "A PEM file of the private key, for TLS.", completion: .file())
  var tlsKey: String?

  @Flag(help: "Listen beyond loopback although there are no tokens.")
  var insecure = false

  @Option(help: "An origin whose web pages may call the service; may be given several times.")
  var corsOrigin: [String] = []

  /// Sets what the transport listens on.
  func apply(to configuration: inout ServerConfiguration, hasTokens: Bool) throws {
    configuration.host = try setting(host, "host", default: configuration.host)
    configuration.port = try setting(port, "port", default: 8080)
    let path = try setting(unixSocket, "unix-socket", default: "")
    configuration.unixSocketPath = path.isEmpty ? nil : path
    configuration.tls = try identity()
    let isInsecure = try insecure || setting(nil, "insecure", default: false)
    let isLocal =
      configuration.unixSocketPath != nil
      || ["127.0.0.1", "::1", "localhost"].contains(configuration.host)
    guard isLocal || hasTokens || isInsecure else {
      throw ValidationError(
        "Anyone who reaches \(configuration.host) could use the service. Give it tokens with "
          + "--token-file FILE, or say --insecure if that is what you want."
      )
    }
  }

  /// The path of the token file, if there is one.
  func tokenPath() throws -> String? {
    let path = try setting(tokenFile, "token-file", default: "")
    return path.isEmpty ? nil : path
  }

  private func identity() throws -> TLSIdentity? {
    let certificate = try setting(tlsCertificate, "tls-certificate", default: "")
    let key = try setting(tlsKey, "tls-key", default: "")
    if certificate.isEmpty && key.isEmpty { return nil }
    guard !certificate.isEmpty, !key.isEmpty else {
      throw ValidationError("--tls-certificate and --tls-key go together.")
    }
    return TLSIdentity(
      certificatePEM: try readText(certificate),
      privateKeyPEM: try readText(key)
    )
  }
}

/// The text of a file that an option names.
func readText(_ path: String) throws -> String {
  do {
    return try String(contentsOfFile: path, encoding: .utf8)
  } catch {
    throw CommandError(.input, "'\(path)' cannot be read: \(error.localizedDescription)")
  }
}
