// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import MicroHTTP
import Testing

struct TLSTests {
  /// Runs a program and returns its output, or nil when it is missing or fails.
  private func run(_ program: String, _ arguments: [String]) throws -> String? {
    guard FileManager.default.isExecutableFile(atPath: program) else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  private func withCertificate(_ body: (_ certificate: String, _ key: String) throws -> Void) throws
  {
    let directory = NSTemporaryDirectory() + "microhttp-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let certificate = directory + "/certificate.pem"
    let key = directory + "/key.pem"
    let made = try run(
      "/usr/bin/openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", key, "-out", certificate,
      ]
    )
    try #require(made != nil, "openssl could not make a certificate")
    try body(certificate, key)
  }

  static let hasTools =
    ["/usr/bin/openssl", "/usr/bin/curl"].allSatisfy {
      FileManager.default.isExecutableFile(atPath: $0)
    }

  @Test(.enabled(if: hasTools)) func curlIsServed() throws {
    try withCertificate { certificate, key in
      let identity = TLSIdentity(
        certificatePEM: try String(contentsOfFile: certificate, encoding: .utf8),
        privateKeyPEM: try String(contentsOfFile: key, encoding: .utf8)
      )
      let configure: (inout ServerConfiguration) -> Void = {
        $0.tls = identity
        $0.bodyTimeout = .milliseconds(500)
        $0.drainLimit = 10_000
        // Which a body over TLS cannot be.
        $0.directBodyBytes = 0
      }
      try withServer(configured(configure)) { server, application in
        let origin = "https://127.0.0.1:\(server.port)"
        let common = ["--silent", "--show-error", "--max-time", "10", "--cacert", certificate]
        let inspected = try run("/usr/bin/curl", common + [origin + "/inspect"])
        #expect(inspected?.contains("remote 127.0.0.1 secure true") == true)
        // Two requests over one connection.
        let twice = try run(
          "/usr/bin/curl",
          common + ["--data", "abc", origin + "/echo", "--data", "abc", origin + "/echo"]
        )
        #expect(twice == "abc&abcabc&abc")
        let large = certificate + ".large"
        let body = TestApplication.pattern(3 << 20)
        #expect(FileManager.default.createFile(atPath: large, contents: Data(body)))
        let count = try run(
          "/usr/bin/curl",
          common + ["--data-binary", "@\(large)", origin + "/count"]
        )
        #expect(count == "\(body.count)")
        // Refused before the body, with and without waiting for 100 Continue.
        for expect in ["Expect: 100-continue", "Expect:"] {
          let status = try run(
            "/usr/bin/curl",
            common + [
              "-H", expect, "--output", "/dev/null", "--write-out", "%{http_code}",
              "--data-binary", "@\(large)", origin + "/limited",
            ]
          )
          #expect(status == "413")
        }
        // A client that speaks no TLS, and one that stops in its body.
        let plain = try RawClient(port: server.port)
        try plain.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect((try? plain.answer())?.status == nil)
        plain.close()
        #expect(eventually { server.openConnections == 0 })
        #expect(application.counts.cancelled == 0)
      }
    }
  }

  @Test(.enabled(if: hasTools)) func aSlowBodyIsCutOverTLSToo() throws {
    try withCertificate { certificate, key in
      let identity = TLSIdentity(
        certificatePEM: try String(contentsOfFile: certificate, encoding: .utf8),
        privateKeyPEM: try String(contentsOfFile: key, encoding: .utf8)
      )
      let configure: (inout ServerConfiguration) -> Void = {
        $0.tls = identity
        $0.bodyTimeout = .milliseconds(300)
      }
      try withServer(configured(configure)) { server, application in
        let large = certificate + ".large"
        #expect(FileManager.default.createFile(atPath: large, contents: Data(count: 4 << 20)))
        let answer = try run(
          "/usr/bin/curl",
          [
            "--silent", "--max-time", "10", "--cacert", certificate, "--limit-rate", "2000", "-H",
            "Expect:", "--data-binary", "@\(large)", "https://127.0.0.1:\(server.port)/count",
          ]
        )
        #expect(answer == nil)
        #expect(eventually { server.openConnections == 0 })
        #expect(application.counts.cancelled == 1)
        #expect(application.completions.map(\.outcome) == [.timedOut])
      }
    }
  }

  @Test func aBadIdentityIsReported() {
    var configuration = ServerConfiguration()
    configuration.tls = TLSIdentity(certificatePEM: "nonsense", privateKeyPEM: "nonsense")
    let server = HTTPServer(configuration: configuration, handler: TestApplication()) { _ in }
    let error = #expect(throws: ServerError.self) { try server.start() }
    guard case .cannotStart(let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!reason.isEmpty)
  }
}
