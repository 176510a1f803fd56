// SPDX-License-Identifier: GPL-3.0-or-later

import MicroHTTP
import SyntheticWeights
import Testing

struct FuzzTests {
  private static let requests = Array(
    ("POST /echo?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX-Y: z\r\n\r\nabcd"
      + "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      + "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
      + "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"
      + "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").utf8
  )
  /// Bytes that mean something in HTTP, so that most changes do as well.
  private static let alphabet = Array("\r\n\0 :;,%?&/-\t09aZf\u{7f}é".utf8)

  private static func mutated(using random: inout SplitMix64) -> [UInt8] {
    var bytes = requests
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let index = Int.random(in: 0..<bytes.count, using: &random)
      let byte = alphabet.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes[index] = byte
      case 1: bytes.insert(byte, at: index)
      case 2: bytes.remove(at: index)
      default:
        let end = min(index + Int.random(in: 1...20, using: &random), bytes.count)
        bytes.insert(contentsOf: bytes[index..<end], at: index)
      }
    }
    return bytes
  }

  @Test func changedRequestsAreAnsweredOrRefusedAndNothingIsLeft() throws {
    let seed = UInt64.random(in: 0...(.max))
    try withServer { server, application in
      for round in 0..<400 {
        var random = SplitMix64(seed: seed &+ UInt64(round))
        let bytes = Self.mutated(using: &random)
        let comment: Comment =
          "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))"
        let client = try RawClient(port: server.port)
        let middle = Int.random(in: 0...bytes.count, using: &random)
        // The server may have refused and gone by the second half.
        try? client.send(Array(bytes[..<middle]))
        try? client.send(Array(bytes[middle...]))
        client.halfClose()
        let answer = client.everything()
        #expect(answer.isEmpty || answer.starts(with: "HTTP/1.1 ".utf8), comment)
        if round % 50 == 49 {
          #expect(eventually { server.openConnections == 0 && server.activeRequests == 0 }, comment)
          #expect(application.counts.ended == application.counts.receivers, comment)
        }
      }
      let client = try RawClient(port: server.port)
      try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.answer().text == "hello")
    }
  }
}
