// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

extension Response {
  /// A JSON answer.
  static func json(_ bytes: [UInt8]) -> Response {
    Response(status: .ok, headers: [.contentType: "application/json"], body: .bytes(bytes))
  }
}
