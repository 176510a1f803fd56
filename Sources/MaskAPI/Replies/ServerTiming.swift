// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes

extension HTTPField {
  /// A `Server-Timing` field: what a request spent its time on, in milliseconds to three places (the
  /// W3C's Server Timing).
  static func serverTiming(_ shares: KeyValuePairs<String, Duration>) -> HTTPField {
    var text = ""
    text.reserveCapacity(80)
    for (name, duration) in shares {
      if !text.isEmpty { text += ", " }
      let microseconds = Int(duration.attoseconds / 1_000_000_000_000)
      text += name
      text += ";dur="
      text += String(microseconds / 1000)
      text += "."
      // The thousand in front keeps the zeros.
      text += String(1000 + microseconds % 1000).dropFirst()
    }
    return HTTPField(name: .serverTiming, value: text)
  }
}
