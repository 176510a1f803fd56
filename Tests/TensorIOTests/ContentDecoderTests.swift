// SPDX-License-Identifier: GPL-3.0-or-later

import CZlib
import CZstd
import SyntheticWeights
import Testing

@testable import TensorIO

/// Compresses with zlib; 31 window bits make gzip, 15 zlib, -15 raw deflate.
private func deflated(_ bytes: [UInt8], windowBits: Int32 = 31) -> [UInt8] {
  // zlib keeps the address of its stream.
  let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  stream.initialize(to: z_stream())
  deflateInit2_(
    stream,
    6,
    Z_DEFLATED,
    windowBits,
    8,
    Z_DEFAULT_STRATEGY,
    ZLIB_VERSION,
    Int32(MemoryLayout<z_stream>.size)
  )
  defer {
    deflateEnd(stream)
    stream.deallocate()
  }
  var input = bytes
  let bound = Int(deflateBound(stream, UInt(bytes.count))) + 32
  return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
    input.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      stream.pointee.avail_in = UInt32(input.count)
      stream.pointee.next_out = output.baseAddress
      stream.pointee.avail_out = UInt32(output.count)
      #expect(deflate(stream, Z_FINISH) == Z_STREAM_END)
      count = output.count - Int(stream.pointee.avail_out)
    }
  }
}

private func zstandard(_ bytes: [UInt8], windowLog: Int32 = 0) -> [UInt8] {
  let context = ZSTD_createCCtx()
  defer { ZSTD_freeCCtx(context) }
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
  if windowLog > 0 {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, windowLog)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)
  }
  return [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { output, count in
    var source = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
    var destination = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    bytes.withUnsafeBytes { input in
      source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
      // A first flush keeps the library from learning the size, hence from shrinking the window.
      if windowLog > 0 {
        ZSTD_compressStream2(context, &destination, &source, ZSTD_e_flush)
      }
      #expect(ZSTD_compressStream2(context, &destination, &source, ZSTD_e_end) == 0)
    }
    count = destination.pos
  }
}

private func compressed(_ bytes: [UInt8], _ encoding: ContentEncoding) -> [UInt8] {
  encoding == .gzip ? deflated(bytes) : zstandard(bytes)
}

/// Expands bytes that come in chunks of a size, after a first one of another.
private func expanded(
  _ bytes: [UInt8],
  _ encoding: ContentEncoding,
  limit: Int = 1 << 30,
  first: Int? = nil,
  chunk: Int = .max
) -> Result<[UInt8], ContentError> {
  let decoder = ContentDecoder(encoding, limit: limit)
  var output: [UInt8] = []
  do throws(ContentError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.count == bytes.count ? first ?? chunk : chunk
      let piece = Array(rest.prefix(count))
      rest = rest.dropFirst(count)
      try piece.withUnsafeBufferPointer { (buffer) throws(ContentError) in
        var input = UnsafeRawBufferPointer(buffer)
        while let block = try decoder.next(&input) {
          #expect(!block.isEmpty && block.count <= ContentDecoder.blockByteCount)
          output += block
        }
        #expect(input.isEmpty)
      }
    }
    try decoder.finish()
  } catch {
    return .failure(error)
  }
  return .success(output)
}

private func sample(_ count: Int, seed: UInt64) -> [UInt8] {
  var random = SplitMix64(seed: seed)
  // Runs and noise, so that both literals and matches are there.
  var bytes: [UInt8] = []
  while bytes.count < count {
    let byte = UInt8(truncatingIfNeeded: random.next())
    bytes += repeatElement(byte, count: Bool.random(using: &random) ? 1 : 9)
  }
  return Array(bytes.prefix(count))
}

@Suite struct ContentDecoderTests {
  @Test(arguments: ContentEncoding.allCases)
  func `bodies of all sizes, in chunks of all sizes`(encoding: ContentEncoding) {
    let seed = freshSeed()
    print("seed \(seed)")
    for count in [0, 1, 100, 65_535, 65_536, 65_537, 300_000] {
      let bytes = sample(count, seed: seed)
      let body = compressed(bytes, encoding)
      for chunk in [Int.max, 1000, 17, 1] where chunk > 1 || count < 1000 {
        #expect(expanded(body, encoding, chunk: chunk) == .success(bytes), "\(count) by \(chunk)")
      }
    }
  }

  @Test(arguments: ContentEncoding.allCases)
  func `several members are one body`(encoding: ContentEncoding) {
    let parts = [sample(70_000, seed: 1), [], sample(10, seed: 2)]
    let body = parts.flatMap { compressed($0, encoding) }
    for chunk in [Int.max, 1000, 1] {
      #expect(expanded(body, encoding, chunk: chunk) == .success(parts.flatMap(\.self)))
    }
  }

  @Test(arguments: ContentEncoding.allCases)
  func `every truncation is found`(encoding: ContentEncoding) {
    let body = compressed(sample(300, seed: 3), encoding)
    for count in 0..<body.count {
      #expect(expanded(Array(body[..<count]), encoding) == .failure(.truncated(encoding)))
    }
    // A second member that has only begun is missing too.
    let twice = body + body
    for count in (body.count + 1)..<twice.count {
      #expect(expanded(Array(twice[..<count]), encoding) == .failure(.truncated(encoding)))
    }
  }

  @Test(arguments: ContentEncoding.allCases)
  func `trailing bytes are found`(encoding: ContentEncoding) {
    let body = compressed(sample(300, seed: 4), encoding)
    for tail in [[0, 0, 0, 0, 0], Array("garbage".utf8)] as [[UInt8]] {
      for chunk in [Int.max, 1] {
        #expect(
          expanded(body + tail, encoding, chunk: chunk) == .failure(.trailingBytes(encoding))
        )
      }
    }
    #expect(expanded(body + [0x1f, 0x8c, 0, 0, 0], .gzip) != .success(sample(300, seed: 4)))
  }

  @Test(arguments: ContentEncoding.allCases)
  func `damage never passes`(encoding: ContentEncoding) {
    let seed = freshSeed()
    print("seed \(seed)")
    var random = SplitMix64(seed: seed)
    let bytes = sample(2000, seed: 5)
    let body = compressed(bytes, encoding)
    for _ in 0..<2000 {
      var damaged = body
      // The flags, time and system of a gzip header mean nothing to the data.
      let first = encoding == .gzip ? 10 : 0
      let place = Int.random(in: first..<body.count, using: &random)
      damaged[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
      if case .success(let output) = expanded(damaged, encoding) {
        // Bits that no reader uses may differ; the data may not.
        #expect(output == bytes, "byte \(place)")
      }
    }
  }

  @Test func `other formats are refused by name`() {
    let bytes = sample(500, seed: 6)
    for body in [deflated(bytes, windowBits: 15), deflated(bytes, windowBits: -15), bytes] {
      for encoding in ContentEncoding.allCases {
        guard case .failure(let error) = expanded(body, encoding) else {
          Issue.record("taken")
          continue
        }
        #expect(error.kind == .syntax)
        #expect(error.message.contains(encoding.rawValue))
      }
    }
    // Once is once: what comes out is a gzip file again.
    #expect(expanded(deflated(deflated(bytes)), .gzip) == .success(deflated(bytes)))
  }

  @Test(arguments: ContentEncoding.allCases)
  func `expansion stops at the limit`(encoding: ContentEncoding) {
    let zeros = [UInt8](repeating: 0, count: 64 << 20)
    let body = compressed(zeros, encoding)
    #expect(body.count < 100_000)
    let decoder = ContentDecoder(encoding, limit: 1 << 20)
    var delivered = 0
    #expect(throws: ContentError.tooLarge(limit: 1 << 20)) {
      try body.withUnsafeBytes { buffer in
        var input = buffer
        while let block = try decoder.next(&input) { delivered += block.count }
      }
    }
    #expect(delivered <= 1 << 20)
    #expect(decoder.expandedByteCount <= 1 << 20 + ContentDecoder.blockByteCount)
    #expect(ContentError.tooLarge(limit: 1).kind == .limit)
    let exact = compressed(sample(1000, seed: 7), encoding)
    #expect(expanded(exact, encoding, limit: 1000) == .success(sample(1000, seed: 7)))
    #expect(expanded(exact, encoding, limit: 999) == .failure(.tooLarge(limit: 999)))
  }

  @Test func `the window of zstd is bounded`() {
    let bytes = sample(1000, seed: 8)
    #expect(expanded(zstandard(bytes, windowLog: 23), .zstd) == .success(bytes))
    let error = ContentError.windowTooLarge(limit: 8 << 20)
    #expect(expanded(zstandard(bytes, windowLog: 24), .zstd) == .failure(error))
    #expect(error.kind == .unsupported)
    // 256 times "a", in a window of 1.75 GiB that the library does not need for a whole frame.
    let small: [UInt8] = [
      0x28, 0xb5, 0x2f, 0xfd, 0x40, 0xa6, 0x00, 0x00, 0x03, 0x08, 0x00, 0x61,
    ]
    for chunk in [Int.max, 1, 4, 5, 6, 7] {
      #expect(expanded(small, .zstd, chunk: chunk) == .failure(error))
    }
    var narrow = small
    narrow[5] = 0x60
    #expect(expanded(narrow, .zstd) == .success([UInt8](repeating: 0x61, count: 256)))
  }

  /// libzstd alone takes what follows the cut for a frame of its own, to be skipped.
  @Test func `a zstd header may hold what looks like a frame`() {
    // A window of 15 MiB, and a size that reads like the beginning of a frame to be skipped.
    let wide: [UInt8] = [
      0x28, 0xb5, 0x2f, 0xfd, 0x50, 0x6f, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0x2d, 0xe9, 0x8f,
    ]
    // A dictionary that reads so, a size of zero, and no block.
    let short: [UInt8] = [
      0x28, 0xb5, 0x2f, 0xfd, 0x83, 0x00, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0,
    ]
    for body in [wide, short] {
      let whole = expanded(body, .zstd)
      #expect(throws: ContentError.self) { try whole.get() }
      for first in 1..<body.count {
        for chunk in 1...body.count {
          #expect(expanded(body, .zstd, first: first, chunk: chunk) == whole)
        }
      }
    }
  }

  /// libzstd alone takes the frame in pieces: an empty last block escapes its check.
  @Test func `a zstd frame is as long as it promises`() {
    // A header that promises 224 bytes, an empty last block, and the sum of no data.
    let frame: [UInt8] = [
      0x28, 0xb5, 0x2f, 0xfd, 0x24, 0xe0, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51,
    ]
    let whole = zstandard(sample(300, seed: 9), windowLog: 20)
    for chunk in [Int.max, 1, 3] {
      for body in [frame, whole + frame, frame + whole] {
        guard case .failure(.corrupt(.zstd, _)) = expanded(body, .zstd, chunk: chunk) else {
          Issue.record("taken in pieces of \(chunk)")
          continue
        }
      }
      #expect(
        expanded(whole + whole, .zstd, chunk: chunk)
          == .success(sample(300, seed: 9) + sample(300, seed: 9))
      )
    }
  }

  /// Formats before the RFC are refused even where the library has kept their decoders.
  @Test func `old formats of zstd are refused`() {
    // An empty frame of version 0.7.
    let old: [UInt8] = [0x27, 0xb5, 0x2f, 0xfd, 0x04, 0x01, 0x00, 0x00, 0x00]
    let skippable: [UInt8] = [0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7]
    let frame = zstandard(sample(300, seed: 9))
    for chunk in [Int.max, 1] {
      guard case .failure(.corrupt(.zstd, _)) = expanded(old, .zstd, chunk: chunk) else {
        Issue.record("taken in pieces of \(chunk)")
        continue
      }
      #expect(expanded(frame + old, .zstd, chunk: chunk) == .failure(.trailingBytes(.zstd)))
      #expect(
        expanded(skippable + frame + skippable, .zstd, chunk: chunk)
          == .success(sample(300, seed: 9))
      )
    }
  }

  @Test func `names of encodings`() {
    #expect(ContentEncoding(token: "GZip") == .gzip)
    #expect(ContentEncoding(token: "x-gzip") == .gzip)
    #expect(ContentEncoding(token: "zstd") == .zstd)
    for token in ["br", "deflate", "identity", "", "gzip, gzip", " gzip"] {
      #expect(ContentEncoding(token: token) == nil)
    }
  }
}
