// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// The numbers of a binary body on their way to a sink, in the order and byte order it wants.
final class MatrixData {
  /// The size of the numbers, in bytes.
  let expected: Int

  private let header: MatrixHeader
  private let sink: any MatrixSink
  private let swapsBytes: Bool
  private let isColumnMajor: Bool
  private var received = 0
  /// Of a column-major matrix, all of it; else of numbers to be swapped, a piece.
  private var buffer: [UInt8] = []

  /// Begins a raw body.
  convenience init(_ header: MatrixHeader, sink: any MatrixSink) throws(Problem) {
    try self.init(header, sink: sink, swapsBytes: false, isColumnMajor: false)
  }

  /// Begins a .npy body.
  convenience init(_ npy: NPYHeader, sink: any MatrixSink) throws(Problem) {
    guard npy.shape.count == 2 else {
      throw Problem(
        .unprocessableContent,
        "'\(sink.field)' must be a matrix, with 2 dimensions; this array has "
          + "\(npy.shape.count).",
        pointer: "/\(sink.field)"
      )
    }
    try self.init(
      MatrixHeader(element: npy.elementType, rows: npy.shape[0], columns: npy.shape[1]),
      sink: sink,
      swapsBytes: npy.isBigEndian,
      isColumnMajor: npy.isFortranOrder
    )
  }

  private init(
    _ header: MatrixHeader,
    sink: any MatrixSink,
    swapsBytes: Bool,
    isColumnMajor: Bool
  ) throws(Problem) {
    guard let expected = header.byteCount else {
      throw Problem(
        TensorError.shapeTooLarge(shape: [header.rows, header.columns]),
        field: sink.field
      )
    }
    try header.checkSides(field: sink.field)
    self.header = header
    self.sink = sink
    self.expected = expected
    self.swapsBytes = swapsBytes && header.element.byteCount > 1
    // A single row or column lies the same way in both orders.
    self.isColumnMajor = isColumnMajor && header.rows > 1 && header.columns > 1
    try sink.begin(header)
  }

  /// Memory for the next bytes, where they are passed on as they come.
  func room() -> UnsafeMutableRawBufferPointer? {
    swapsBytes || isColumnMajor ? nil : sink.room()
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
    received += bytes.count
    guard received <= expected else {
      // How much has come by now depends on the network; the answer must not.
      throw Problem(TensorError.tooManyBytes(expected: expected), field: sink.field)
    }
    guard swapsBytes || isColumnMajor else { return try sink.append(bytes) }
    buffer.append(bytes, of: expected)
    if !isColumnMajor { try passOnSwapped() }
  }

  /// Passes on what was held back, after all bytes.
  func finish() throws(Problem) {
    guard received == expected else { throw wrongLength(received) }
    if isColumnMajor {
      let shape = [header.rows, header.columns]
      let source = buffer
      source.withUnsafeBytes { source in
        buffer.withUnsafeMutableBytes { target in
          copyFortranOrder(
            from: source,
            to: target,
            shape: shape,
            elementByteCount: header.element.byteCount
          )
        }
      }
      if swapsBytes {
        try passOnSwapped()
      } else {
        try passOn()
      }
    }
  }

  /// A body of `length` bytes where another size was promised.
  func wrongLength(_ length: Int) -> Problem {
    Problem(
      TensorError.wrongByteCount(expected: expected, received: length),
      field: sink.field
    )
  }

  private func passOnSwapped() throws(Problem) {
    let size = header.element.byteCount
    let whole = buffer.count / size * size
    var swap = ByteSwap(elementByteCount: size)
    buffer.withUnsafeMutableBytes { swap.advance(in: $0, available: whole) }
    let tail = Array(buffer[whole...])
    buffer.removeLast(tail.count)
    try passOn()
    buffer = tail
  }

  private func passOn() throws(Problem) {
    let result = buffer.withUnsafeBytes { bytes in
      Result { () throws(Problem) in try sink.append(bytes) }
    }
    try result.get()
    buffer.removeAll(keepingCapacity: true)
  }
}
