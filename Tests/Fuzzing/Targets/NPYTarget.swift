// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

@testable import MaskAPI
@testable import TensorIO

/// The header of .npy files, and the order of the data behind it.
///
/// - The data of a header lie inside what can be addressed and are as long as its shape says.
/// - The writer's header for the same type and shape is read back.
/// - Data in any order and byte order, in any pieces, arrive row-major and little-endian.
func fuzzNPY(_ input: UnsafeRawBufferPointer) {
  var choices = Choices(of: input)
  guard let header = readHeader(input, &choices, as: NPYHeader.self) else { return }
  require(header.dataOffset <= input.count, "the header is in the file")
  require(header.shape.count <= NPYHeader.maximumDimensions, "dimensions have a bound")
  require(header.shape.allSatisfy { $0 >= 0 }, "no extent is negative")
  require(
    bitCount(header.shape, bitsOfElement: header.elementType.byteCount) == header.dataByteCount,
    "the shape \(header.shape) says how many bytes there are"
  )

  guard let written = try? NPYHeader.bytes(elementType: header.elementType, shape: header.shape)
  else { refute("every type that is read is written", #line) }
  require(written.count % 64 == 0, "a header is a multiple of 64")
  let again = written.withUnsafeBytes { try? NPYHeader.read($0) }
  guard case .complete(let read)? = again else { refute("what is written is read", #line) }
  require(
    read.elementType == header.elementType && read.shape == header.shape
      && !read.isBigEndian && !read.isFortranOrder
      && read.dataByteCount == header.dataByteCount && read.dataOffset == written.count,
    "what is written reads back as it was"
  )

  if header.dataByteCount <= 2048, header.shape.count <= 6 { checkOrder(header, &choices) }
}

private func checkOrder(_ header: NPYHeader, _ choices: inout Choices) {
  let size = header.elementType.byteCount
  let file = (0..<header.dataByteCount).map { _ in UInt8(truncatingIfNeeded: choices.next()) }
  var expected: [UInt8] = []
  expected.reserveCapacity(file.count)
  for index in 0..<(file.count / size) {
    var place = index
    if header.isFortranOrder {
      // The first index, which is the last to change in row-major order, varies fastest in the file.
      let path = TensorIndex.path(of: index, in: header.shape)
      place = zip(path, header.shape).reversed().reduce(0) { $0 * $1.1 + $1.0 }
    }
    let element = file[(place * size)..<((place + 1) * size)]
    if header.isBigEndian {
      expected += element.reversed()
    } else {
      expected += element
    }
  }

  if header.isFortranOrder {
    var copy = [UInt8](repeating: 0, count: file.count)
    file.withUnsafeBytes { source in
      copy.withUnsafeMutableBytes { target in
        copyFortranOrder(
          from: source,
          to: target,
          shape: header.shape,
          elementByteCount: size
        )
        if header.isBigEndian {
          var swap = ByteSwap(elementByteCount: size)
          let available = choices.below(target.count + 1)
          swap.advance(in: target, available: available)
          swap.advance(in: target, available: target.count)
        }
      }
    }
    require(copy == expected, "elements in Fortran order \(header.shape) are put in order")
  }

  let sink = Sink()
  do throws(Problem) {
    let data = try MatrixData(header, sink: sink)
    let cuts = Cuts.some(file.count, &choices)
    try cuts.pieces(of: file) { (piece) throws(Problem) in try data.append(piece) }
    try data.finish()
    require(sink.bytes == expected, "a matrix arrives in order")
  } catch {
    let isHollow = header.shape.contains(0) && (header.shape.max() ?? 0) > 1 << 20
    require(header.shape.count != 2 || isHollow, "a matrix is taken")
  }
}

extension Cuts {
  /// Hands over the pieces of an array.
  fileprivate func pieces<Failure: Error>(
    of bytes: [UInt8],
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(Failure) in
      try pieces(of: UnsafeRawBufferPointer(buffer), body)
    }
  }
}

private final class Sink: MatrixSink {
  let field = "weights"
  var bytes: [UInt8] = []

  func begin(_ header: MatrixHeader) {}
  func append(_ bytes: UnsafeRawBufferPointer) { self.bytes += bytes }
}
