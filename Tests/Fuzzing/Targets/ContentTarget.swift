// SPDX-License-Identifier: GPL-3.0-or-later

import CZlib
import CZstd

@testable import TensorIO

/// The decoder of compressed bodies.
///
/// - The pieces that a body comes in change neither what it expands to nor whether it is refused.
/// - No more than the limit comes out; a limit of just the size refuses nothing.
/// - What zlib and libzstd compress comes back, alone and as two members in a row.
func fuzzContent(_ input: UnsafeRawBufferPointer) {
  var choices = Choices(of: input)
  for encoding in ContentEncoding.allCases {
    let limit = [0, 1, 100, 4096, 65_536, 65_537, 1 << 20][choices.below(7)]
    let whole = expand(input, encoding, limit, .none)
    for cuts in [.everywhere, .some(input.count, &choices)] as [Cuts] {
      let pieces = expand(input, encoding, limit, cuts)
      switch (whole, pieces) {
      case (.success(let left), .success(let right)):
        require(left == right, "pieces expand to what the whole does")
      case (.failure(let left), .failure(let right)):
        // How soon the libraries see a fault, and as what, depends on the bytes at hand; the limit
        // may be met before. That the body asks for too much memory is told in any case.
        require(
          left == right || left.kind == .limit || right.kind == .limit
            || left.kind == .syntax && right.kind == .syntax,
          "pieces are refused as the whole is: \(left), \(right)"
        )
      default: refute("pieces are taken where the whole is: \(encoding) \(whole) \(pieces)", #line)
      }
    }
    if case .success(let bytes) = whole {
      require(
        expand(input, encoding, bytes.count, .none) == whole,
        "a body as large as its limit is taken"
      )
      if !bytes.isEmpty {
        require(
          expand(input, encoding, bytes.count - 1, .none)
            == .failure(.tooLarge(limit: bytes.count - 1)),
          "a body larger than its limit is not"
        )
      }
    }
  }
  // Setting up a compressor takes longer than all else here.
  if choices.below(8) == 0 { checkRoundTrip(input, &choices) }
}

private func checkRoundTrip(_ input: UnsafeRawBufferPointer, _ choices: inout Choices) {
  let expected = Array(input)
  for encoding in ContentEncoding.allCases {
    let one = encoding == .gzip ? gzip(input) : zstd(input)
    let two = one + one
    two.withUnsafeBytes { two in
      let once = UnsafeRawBufferPointer(rebasing: two[..<one.count])
      require(
        expand(once, encoding, input.count, .some(one.count, &choices)) == .success(expected),
        "what \(encoding) compresses comes back"
      )
      require(
        expand(two, encoding, 2 * input.count, .some(two.count, &choices))
          == .success(expected + expected),
        "two members come back"
      )
      let cut = choices.below(one.count)
      let short = UnsafeRawBufferPointer(rebasing: two[..<cut])
      require(
        expand(short, encoding, input.count, .none) == .failure(.truncated(encoding)),
        "a body that is cut short is refused"
      )
    }
  }
}

private func expand(
  _ input: UnsafeRawBufferPointer,
  _ encoding: ContentEncoding,
  _ limit: Int,
  _ cuts: Cuts
) -> Result<[UInt8], ContentError> {
  let decoder = ContentDecoder(encoding, limit: limit)
  var bytes: [UInt8] = []
  do throws(ContentError) {
    try cuts.pieces(of: input) { (piece) throws(ContentError) in
      var piece = piece
      while let block = try decoder.next(&piece) {
        require(!block.isEmpty, "a block is not empty")
        bytes += block
        require(bytes.count <= limit, "no more than the limit comes out")
      }
      require(piece.isEmpty, "a piece is used up")
    }
    try decoder.finish()
    return .success(bytes)
  } catch {
    return .failure(error)
  }
}

private func gzip(_ input: UnsafeRawBufferPointer) -> [UInt8] {
  var stream = z_stream()
  let size = Int32(MemoryLayout<z_stream>.size)
  // The small window and memory make the set-up fast.
  let begun = deflateInit2_(
    &stream,
    1,
    Z_DEFLATED,
    9 + 16,
    1,
    Z_DEFAULT_STRATEGY,
    ZLIB_VERSION,
    size
  )
  require(begun == Z_OK, "zlib can begin")
  defer { deflateEnd(&stream) }
  var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(input.count))))
  let count = output.count
  output.withUnsafeMutableBufferPointer { output in
    stream.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    )
    stream.avail_in = UInt32(input.count)
    stream.next_out = output.baseAddress
    stream.avail_out = UInt32(count)
    require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib can end")
  }
  return Array(output.prefix(count - Int(stream.avail_out)))
}

private func zstd(_ input: UnsafeRawBufferPointer) -> [UInt8] {
  var output = [UInt8](repeating: 0, count: ZSTD_compressBound(input.count))
  let count = output.withUnsafeMutableBytes {
    ZSTD_compress($0.baseAddress, $0.count, input.baseAddress, input.count, 1)
  }
  require(ZSTD_isError(count) == 0, "libzstd can compress")
  return Array(output.prefix(count))
}
