// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes

extension HTTPField {
  /// A `Server-Timing` field: what a request spent its time on, in milliseconds to three places (the
  /// W3C's Server Timing).
  static func serverTiming(_ shares: KeyValuePairs<StaticString, Duration>) -> HTTPField {
    var text: [UInt8] = []
    text.reserveCapacity(96)
    func put(_ part: StaticString) { part.withUTF8Buffer { text.append(contentsOf: $0) } }
    func put(digit: Int) { text.append(UInt8(ascii: "0") + UInt8(digit % 10)) }
    for (name, duration) in shares {
      if !text.isEmpty { put(", ") }
      let microseconds = Int(duration.attoseconds / 1_000_000_000_000)
      put(name)
      put(";dur=")
      text.append(contentsOf: String(microseconds / 1000).utf8)
      put(".")
      put(digit: microseconds / 100)
      put(digit: microseconds / 10)
      put(digit: microseconds)
    }
    return HTTPField(name: .serverTiming, value: String(decoding: text, as: UTF8.self))
  }
}
