// SPDX-License-Identifier: GPL-3.0-or-later

import TensorIO

/// A JSON body, or the JSON part of one, within its limits of size and memory.
///
/// A class, so that the numbers read so far are never copied with the state of a body.
final class JSONBody {
  private let limit: Int
  private let record: RequestRecord
  private var scanner: JSONScanner
  private var received = 0
  private var reserved = 0

  /// Prepares for a body.
  ///
  /// - Parameter length: its length, where that was announced.
  init(_ context: RequestContext, length: Int?) {
    scanner = JSONScanner(expectedBytes: length)
    limit = context.service.configuration.maximumJSONBody
    record = context.record
  }

  /// Reads the next bytes.
  ///
  /// - Throws: 400 where they cannot be part of JSON, 413 or 503 where a limit is passed.
  func consume(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    received += bytes.count
    if received > limit { throw MatrixBody.tooLarge(limit) }
    if received > reserved {
      // A digit and a comma become a number of 8 bytes, in a buffer that doubles as it grows.
      let step = max(received - reserved, min(1 << 20, limit))
      try record.reserve(8 * step)
      reserved += step
    }
    do { try scanner.consume(bytes) } catch { throw Problem(error) }
  }

  /// Reads the bytes that had come before it was known that they are JSON.
  func consume(_ prefix: [UInt8]) throws(Problem) {
    let result = prefix.withUnsafeBytes { bytes in
      Result { () throws(Problem) in try consume(bytes) }
    }
    try result.get()
  }

  /// The value, once the text is whole; nothing of it is kept here.
  func finish() throws(Problem) -> JSONValue {
    defer { scanner = JSONScanner() }
    do { return try scanner.finish() } catch { throw Problem(error) }
  }
}
