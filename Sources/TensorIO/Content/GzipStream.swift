// SPDX-License-Identifier: GPL-3.0-or-later

import CZlib

/// Gzip (RFC 1952) by zlib: one or more members, each with its checksum.
final class GzipStream: ExpandingStream {
  // zlib keeps the address of its stream, so that it must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private var memberCount = 0
  private var isBetweenMembers = false

  init() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // The largest window, and 16 for a gzip header and no other.
    let status = inflateInit2_(
      stream,
      15 + 16,
      ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size)
    )
    precondition(status == Z_OK, "zlib has no memory or is another version than its header")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  var isAtEnd: Bool { isBetweenMembers }

  func expand(
    _ input: inout UnsafeRawBufferPointer,
    into output: UnsafeMutableRawBufferPointer
  ) throws(ContentError) -> Int {
    if isBetweenMembers {
      guard let first = input.first else { return 0 }
      guard first == 0x1f else { throw .trailingBytes(.gzip) }
      inflateReset(stream)
      isBetweenMembers = false
    }
    let offered = min(input.count, Int(UInt32.max))
    // zlib only reads its input, though the field of its structure is not const.
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    )
    stream.pointee.avail_in = UInt32(offered)
    stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(output.count)
    let status = inflate(stream, Z_NO_FLUSH)
    let used = offered - Int(stream.pointee.avail_in)
    input = UnsafeRawBufferPointer(rebasing: input[used...])
    switch status {
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END:
      memberCount += 1
      isBetweenMembers = true
    default:
      if memberCount > 0 && stream.pointee.total_out == 0 { throw .trailingBytes(.gzip) }
      throw .corrupt(.gzip, reason: stream.pointee.msg.map { String(cString: $0) } ?? "bad data")
    }
    return output.count - Int(stream.pointee.avail_out)
  }
}
