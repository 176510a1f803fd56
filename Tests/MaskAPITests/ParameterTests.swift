// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Sparsity
import TensorIO
import Testing

@testable import MaskAPI

struct ParameterTests {
  private func set(_ target: String) throws -> ParameterSet {
    try ParameterSet(queryOf: Request(method: .post, target: target))
  }

  private func document(_ text: String) throws -> JSONObject {
    var scanner = JSONScanner()
    try scanner.consume(Array(text.utf8))
    guard case .object(let object) = try scanner.finish() else { throw Problem(.badRequest, "") }
    return object
  }

  private func problem(_ body: () throws -> Void) -> Problem? {
    do {
      try body()
      return nil
    } catch {
      return error as? Problem
    }
  }

  @Test("Repeated and unknown names are refused")
  func names() throws {
    #expect(problem { _ = try set("/?n=1&n=1") }?.status == .badRequest)
    #expect(problem { _ = try set("/?n=%zz") }?.status == .badRequest)
    let unknown = problem { try set("/?n=1&a~/b=2").allowOnly(["n"]) }
    #expect(unknown?.status == .badRequest)
    #expect(unknown?.pointer == "/a~0~1b")
    var both = try set("/?n=1")
    #expect(problem { try both.add(try document(#"{"n": 1}"#)) }?.status == .badRequest)
  }

  @Test(
    "Values of another kind are refused by name",
    arguments: [
      "n=&m=4", "n=2.0&m=4", "n=+2&m=4", "n=0x2&m=4", "n=two&m=4", "n=2&m=4&structure=Row",
      "n=2&m=99999999999999999999", "n=%EF%BC%92&m=4", "m=4", "n=2",
    ]
  )
  func wrongQuery(_ query: String) throws {
    let set = try set("/?" + query)
    let problem = try #require(problem { _ = try MaskParameters(set) })
    #expect(problem.status == .unprocessableContent)
    #expect(problem.pointer?.isEmpty == false)
  }

  @Test(
    "JSON values of another kind are refused by name",
    arguments: [
      #"{"n": "2", "m": 4}"#, #"{"n": 2.5, "m": 4}"#, #"{"n": null, "m": 4}"#,
      #"{"n": [2], "m": 4}"#, #"{"n": true, "m": 4}"#, #"{"n": 1e999, "m": 4}"#,
      #"{"n": 2, "m": 4, "method": 1}"#, #"{"n": 2, "m": 4, "method": "best"}"#,
      #"{"n": -1, "m": 4}"#, #"{"n": 0, "m": 4}"#, #"{"n": 5, "m": 4}"#, #"{"n": 1, "m": 0}"#,
      #"{"n": 1, "m": 65}"#, #"{"n": 1, "m": 1025, "structure": "row"}"#,
      #"{"n": 1, "m": 4, "structure": "row", "method": "greedy"}"#,
    ]
  )
  func wrongDocument(_ text: String) throws {
    var set = ParameterSet()
    try set.add(document(text))
    let problem = try #require(problem { _ = try MaskParameters(set) })
    #expect(problem.status == .unprocessableContent)
    #expect(problem.pointer?.isEmpty == false)
  }

  @Test("Whole numbers may be written as JSON allows")
  func wholeNumbers() throws {
    var set = ParameterSet()
    try set.add(document(#"{"n": 2.0, "m": 4e0}"#))
    #expect(try MaskParameters(set).specification.pattern == Pattern(n: 2, m: 4))
  }

  @Test("Seeds are unsigned 64-bit, in JSON as number or string")
  func seeds() throws {
    var set = ParameterSet()
    try set.add(document(#"{"a": 18446744073709551615, "b": "18446744073709551615", "c": -1}"#))
    #expect(try set.unsignedInteger("a") == .max)
    #expect(try set.unsignedInteger("b") == .max)
    #expect(problem { _ = try set.unsignedInteger("c") }?.pointer == "/c")
  }
}

struct ContentNegotiationTests {
  private func form(_ accept: String?) throws -> ReplyForm? {
    var headers: HTTPFields = [:]
    headers[.accept] = accept
    let request = try Request(method: .post, target: "/", headers: headers)
    return try? ReplyForm.negotiated(for: request, among: [.json, .npy, .octets])
  }

  @Test("Accept chooses the form of a reply")
  func negotiation() throws {
    #expect(try form(nil) == .json)
    #expect(try form("*/*") == .json)
    #expect(try form("application/x-npy") == .npy)
    #expect(try form("Application/X-NPY") == .npy)
    #expect(try form("application/octet-stream, */*;q=0.1") == .octets)
    #expect(try form("application/json;q=0.2, application/x-npy;q=0.7") == .npy)
    #expect(try form("application/*") == .json)
    #expect(try form("application/*, application/json;q=0") == .npy)
    #expect(try form("text/html, application/xhtml+xml, */*;q=0.8") == .json)
    #expect(try form("text/html") == nil)
    #expect(try form("application/x-npy;q=0") == nil)
  }
}
