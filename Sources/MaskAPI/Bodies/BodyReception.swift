// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// Connects a consumer to the server: expands compressed bodies and words problems as answers.
final class BodyReception: BodyReceiver {
  private let consumer: any BodyConsumer
  private let context: RequestContext
  private let decoder: ContentDecoder?

  /// Prepares for the body of `request`.
  ///
  /// - Throws: 415 for a content encoding that is not known here, 413 or 503 where memory is short.
  init(
    _ request: Request,
    _ context: RequestContext,
    _ consumer: any BodyConsumer
  ) throws(Problem) {
    self.consumer = consumer
    self.context = context
    let encoding = try request.contentEncoding()
    try context.record.reserve(encoding?.memory ?? 0)
    decoder = encoding.map {
      ContentDecoder($0, limit: context.service.configuration.maximumBody)
    }
  }

  func room() -> UnsafeMutableRawBufferPointer? { decoder == nil ? consumer.room() : nil }

  func receive(_ bytes: UnsafeRawBufferPointer) -> Response? {
    do throws(Problem) {
      try consume(bytes)
      return nil
    } catch {
      consumer.cancel()
      return context.response(error)
    }
  }

  func finish() -> Response {
    do throws(Problem) {
      if let decoder {
        do throws(ContentError) {
          try decoder.finish()
        } catch {
          throw Problem(error)
        }
      }
      return context.finish(try consumer.finish())
    } catch {
      consumer.cancel()
      return context.response(error)
    }
  }

  func cancel() { consumer.cancel() }

  private func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    guard let decoder else { return try consumer.consume(bytes) }
    var rest = bytes
    while true {
      let block: UnsafeRawBufferPointer?
      do throws(ContentError) {
        block = try decoder.next(&rest)
      } catch {
        throw Problem(error)
      }
      guard let block else { return }
      try consumer.consume(block)
    }
  }
}

extension Request {
  /// The encoding that the body is in; nil for none.
  func contentEncoding() throws(Problem) -> ContentEncoding? {
    guard headers.contains(.contentEncoding) else { return nil }
    let tokens =
      headers[values: .contentEncoding]
      .flatMap { $0.split(separator: ",") }
      .map { $0.trimmingSpaces() }
      .filter { !$0.isEmpty && $0.lowercased() != "identity" }
    guard let token = tokens.first else { return nil }
    guard tokens.count == 1, let encoding = ContentEncoding(token: token) else {
      throw Problem(
        .unsupportedMediaType,
        "The content encoding '\(tokens.joined(separator: ", "))' is not read here; one of gzip "
          + "and zstd is.",
        headers: [.acceptEncoding: "gzip, zstd"]
      )
    }
    return encoding
  }
}
