// SPDX-License-Identifier: GPL-3.0-or-later

/// Expands a compressed body as it arrives, block by block, up to a limit.
///
///     let decoder = ContentDecoder(.gzip, limit: 1 << 30)
///     for var chunk in chunks {
///       while let block = try decoder.next(&chunk) { try consume(block) }
///     }
///     try decoder.finish()
///
/// Memory is one block and the window of the encoding (32 KiB for gzip, at most 8 MiB for zstd),
/// whatever the body says. One decoder serves one body, and one thread at a time.
public final class ContentDecoder {
  /// The size of the blocks that come out, in bytes, but for the last ones.
  public static let blockByteCount = 64 << 10

  /// The encoding of the body.
  public let encoding: ContentEncoding
  /// The bytes that the body may expand to.
  public let limit: Int
  /// The bytes that it has expanded to so far.
  public private(set) var expandedByteCount = 0

  private let stream: any ExpandingStream
  private let block: UnsafeMutableRawBufferPointer

  /// Makes a decoder for one body.
  public init(_ encoding: ContentEncoding, limit: Int) {
    self.encoding = encoding
    self.limit = limit
    stream = encoding == .gzip ? GzipStream() : ZstdStream()
    block = .allocate(byteCount: Self.blockByteCount, alignment: 64)
  }

  deinit {
    block.deallocate()
  }

  /// Expands some of the input; nil once all of it has been used.
  ///
  /// - Parameter input: Moved past what was used.
  /// - Returns: A block that is not empty and is valid until the next call.
  /// - Throws: `ContentError`; the decoder is then of no more use.
  /// - Complexity: O(bytes in + bytes out).
  public func next(
    _ input: inout UnsafeRawBufferPointer
  ) throws(ContentError) -> UnsafeRawBufferPointer? {
    while true {
      let before = input.count
      let produced = try stream.expand(&input, into: block)
      if produced > 0 {
        expandedByteCount += produced
        guard expandedByteCount <= limit else { throw .tooLarge(limit: limit) }
        return UnsafeRawBufferPointer(rebasing: block[..<produced])
      }
      if input.isEmpty { return nil }
      guard input.count < before else {
        throw .corrupt(encoding, reason: "it cannot be expanded further")
      }
    }
  }

  /// Ends the body.
  ///
  /// - Throws: `ContentError.truncated` if compressed data are missing.
  public func finish() throws(ContentError) {
    guard stream.isAtEnd else { throw .truncated(encoding) }
  }
}

/// The state of one decompression library for one body.
protocol ExpandingStream: AnyObject {
  /// Whether the input so far is whole, so that it may end here.
  var isAtEnd: Bool { get }

  /// Uses up some input and returns the number of bytes written to `output`.
  ///
  /// It makes progress in one of them unless the input is empty.
  func expand(
    _ input: inout UnsafeRawBufferPointer,
    into output: UnsafeMutableRawBufferPointer
  ) throws(ContentError) -> Int
}
