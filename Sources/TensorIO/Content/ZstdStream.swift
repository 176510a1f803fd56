// SPDX-License-Identifier: GPL-3.0-or-later

import CZstd

/// Zstandard (RFC 8878) by libzstd: one or more frames, with a bounded window.
final class ZstdStream: ExpandingStream {
  /// The logarithm of the largest window: 8 MiB, the bound of RFC 9659 for `Content-Encoding`.
  static let windowLog: Int32 = 23

  private let context: OpaquePointer
  private(set) var isAtEnd = false
  private var frameCount = 0
  /// The first bytes of the frame in hand, as many as its header may have.
  private var frameHead: [UInt8] = []
  private var frameByteCount: UInt64 = 0

  /// The length of the longest frame header (RFC 8878, section 3.1.1), with its magic number.
  private static let longestHeader = 18

  init() {
    guard let context = ZSTD_createDCtx() else { preconditionFailure("libzstd has no memory") }
    self.context = context
    let status = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLog)
    precondition(ZSTD_isError(status) == 0, "libzstd does not know its window parameter")
  }

  deinit {
    ZSTD_freeDCtx(context)
  }

  func expand(
    _ input: inout UnsafeRawBufferPointer,
    into output: UnsafeMutableRawBufferPointer
  ) throws(ContentError) -> Int {
    // Without input a context at a frame's end would begin to wait for another frame.
    if isAtEnd && input.isEmpty { return 0 }
    try checkMagic(input)
    // Where the rest of a header is followed by what it takes for a whole frame the library takes a
    // shorter way, which knows no bound of the window, and which looks for the frame's beginning in
    // the middle of a header that was cut. A header that comes byte by byte is never on that way,
    // however a body is cut.
    let offered = min(input.count, frameHead.count < Self.longestHeader ? 1 : .max)
    var source = ZSTD_inBuffer(src: input.baseAddress, size: offered, pos: 0)
    var destination = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let status = ZSTD_decompressStream(context, &destination, &source)
    frameHead += input[..<source.pos].prefix(Self.longestHeader - frameHead.count)
    frameByteCount += UInt64(destination.pos)
    input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
    if ZSTD_isError(status) != 0 {
      switch ZSTD_getErrorCode(status) {
      case ZSTD_error_frameParameter_windowTooLarge:
        throw .windowTooLarge(limit: 1 << Int(Self.windowLog))
      default: throw .corrupt(.zstd, reason: String(cString: ZSTD_getErrorName(status)))
      }
    }
    isAtEnd = status == 0
    if isAtEnd { try endFrame() }
    return destination.pos
  }

  /// Checks that a frame begins with the magic number of a Zstandard or a skippable frame.
  ///
  /// The library may have been built with the decoders of formats older than the RFC, which are not
  /// of this encoding; those it takes or refuses depending on how a body is cut.
  private func checkMagic(_ input: UnsafeRawBufferPointer) throws(ContentError) {
    guard frameHead.count < 4 else { return }
    for (index, byte) in zip(frameHead.count..<4, input) {
      let first = frameHead.first ?? input[0]
      let isRight =
        switch index {
        case 0: byte == 0x28 || byte & 0xf0 == 0x50
        case 1: byte == (first == 0x28 ? 0xb5 : 0x2a)
        case 2: byte == (first == 0x28 ? 0x2f : 0x4d)
        default: byte == (first == 0x28 ? 0xfd : 0x18)
        }
      if isRight { continue }
      if frameCount > 0 { throw .trailingBytes(.zstd) }
      throw .corrupt(.zstd, reason: "it does not begin as a frame does")
    }
  }

  /// Checks that the frame was as long as its header promised.
  ///
  /// The library does so only where a whole frame is at hand: an empty last block escapes it else.
  private func endFrame() throws(ContentError) {
    let promised = frameHead.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
    // The two largest numbers stand for a size that is not told.
    guard promised >= UInt64.max - 1 || promised == frameByteCount else {
      throw .corrupt(.zstd, reason: "a frame is not as long as its header says")
    }
    frameCount += 1
    frameHead.removeAll(keepingCapacity: true)
    frameByteCount = 0
  }
}
