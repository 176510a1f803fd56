// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import Testing

struct RequestTargetTests {
  private func request(_ target: String) throws(TransportRefusal) -> Request {
    try Request(method: .get, target: target)
  }

  @Test(arguments: [
    ("/", "/"), ("/a/b", "/a/b"), ("/a%20b", "/a b"), ("/%e2%82%ac", "/€"), ("/€", "/€"),
    ("/a%2Fb", "/a%2Fb"), ("/a%2fb", "/a%2Fb"), ("/a+b", "/a+b"), ("/%41?x", "/A"), ("*", "*"),
    ("http://host:8/a?b=c", "/a"), ("HTTPS://host", "/"), ("http://host?x=1", "/"),
    ("//host/a", "//host/a"), ("/a/../b", "/a/../b"), ("/%25", "/%"),
  ])
  func pathsAreDecodedOnce(_ pair: (target: String, path: String)) throws {
    #expect(try request(pair.target).path == pair.path)
  }

  @Test(arguments: ["", "?a=b", "/%", "/%4", "/%zz", "/%00", "/%ff", "/a b", "/a\tb", "/a#b"])
  func badPathsAreRefused(_ target: String) {
    #expect(throws: TransportRefusal.malformedTarget) { try request(target) }
  }

  @Test func queriesKeepOrderAndDuplicates() throws {
    let items = try request("/?b=2&a=%C3%A9+x&&b=&c&=d&e=f=g").query
    #expect(
      items == [
        QueryItem(name: "b", value: "2"), QueryItem(name: "a", value: "é x"),
        QueryItem(name: "b", value: ""), QueryItem(name: "c", value: ""),
        QueryItem(name: "", value: "d"), QueryItem(name: "e", value: "f=g"),
      ]
    )
    #expect(try request("/?b=2").malformedQuery == nil)
    #expect(try request("/?").query.isEmpty)
  }

  @Test(arguments: ["a=%", "a=%g1", "%ff=1", "a=%00"])
  func badQueryPiecesAreReportedNotGuessed(_ piece: String) throws {
    let request = try request("/x?ok=1&\(piece)&more=2")
    #expect(request.malformedQuery == piece)
    #expect(request.query.map(\.name) == ["ok", "more"])
  }
}
