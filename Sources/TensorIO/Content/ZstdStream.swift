// SPDX-License-Identifier: GPL-3.0-or-later

import CZstd

/// Zstandard (RFC 8878) by libzstd: one or more frames, with a bounded window.
final class ZstdStream: ExpandingStream {
  /// The logarithm of the largest window: 8 MiB, the bound of RFC 9659 for `Content-Encoding`.
  static let windowLog: Int32 = 23

  private let context: OpaquePointer
  private(set) var isAtEnd = false
  private var frameCount = 0

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
    var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var destination = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let status = ZSTD_decompressStream(context, &destination, &source)
    input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
    if ZSTD_isError(status) != 0 {
      switch ZSTD_getErrorCode(status) {
      case ZSTD_error_frameParameter_windowTooLarge:
        throw .windowTooLarge(limit: 1 << Int(Self.windowLog))
      case ZSTD_error_prefix_unknown where frameCount > 0: throw .trailingBytes(.zstd)
      default: throw .corrupt(.zstd, reason: String(cString: ZSTD_getErrorName(status)))
      }
    }
    isAtEnd = status == 0
    if isAtEnd { frameCount += 1 }
    return destination.pos
  }
}
