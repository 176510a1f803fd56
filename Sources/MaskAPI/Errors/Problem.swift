// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// An error as the client sees it: an RFC 9457 problem document.
struct Problem: Error, Sendable {
  var status: HTTPResponse.Status
  /// One or two sentences for the person who reads it.
  var detail: String
  /// The JSON pointer to the field at fault, where there is one.
  var pointer: String?
  /// Fields that belong to the status, such as `Allow`.
  var headers: HTTPFields = [:]

  init(
    _ status: HTTPResponse.Status,
    _ detail: String,
    pointer: String? = nil,
    headers: HTTPFields = [:]
  ) {
    self.status = status
    self.detail = detail
    self.pointer = pointer
    self.headers = headers
  }

  /// The problem as an answer.
  ///
  /// The types are those of the status codes themselves, so `type` is about:blank and `title` the
  /// phrase of the status (RFC 9457, section 4.2.1). `error` repeats the detail for clients of
  /// inference servers, which look for it.
  ///
  /// - Parameter instance: what identifies this occurrence.
  func response(instance: String) -> Response {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("type", "about:blank")
    writer.member("title", status.reasonPhrase)
    writer.member("status", status.code)
    writer.member("detail", detail)
    writer.member("instance", instance)
    if let pointer { writer.member("pointer", pointer) }
    writer.member("error", detail)
    writer.endObject()
    var headers = headers
    headers[.contentType] = "application/problem+json"
    headers[.cacheControl] = "no-store"
    return Response(status: status, headers: headers, body: .bytes(writer.bytes))
  }
}
