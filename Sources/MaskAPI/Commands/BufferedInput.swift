// SPDX-License-Identifier: GPL-3.0-or-later

import TensorIO

/// A file of which first the header is wanted, of unknown length, and then so many bytes at a time.
struct BufferedInput {
  enum Header {
    case npy(NPYHeader)
    case safetensors(SafetensorsHeader)
  }

  private let input: InputFile
  private var buffer: [UInt8] = []
  /// How many bytes of the buffer have been taken.
  private var taken = 0

  init(_ input: InputFile) { self.input = input }

  /// Reads up to the data.
  ///
  /// - Throws: `CommandError` where the file begins otherwise, or is not as long as it says.
  mutating func header() throws(CommandError) -> Header {
    try more()
    let format = buffer.withUnsafeBytes { BodyFormat.sniff($0, isWhole: true) }
    switch format {
    case .npy:
      let header = try complete(.npy) { (bytes) throws(TensorError) in try NPYHeader.read(bytes) }
      taken = header.dataOffset
      try check { (count) throws(TensorError) in try header.check(fileByteCount: count) }
      return .npy(header)
    case .safetensors:
      let header = try complete(.safetensors) { (bytes) throws(TensorError) in
        try SafetensorsHeader.read(bytes)
      }
      taken = header.dataOffset
      try check { (count) throws(TensorError) in try header.check(fileByteCount: count) }
      return .safetensors(header)
    default:
      if buffer.isEmpty { throw CommandError(.data, "\(input.name) is empty.") }
      throw CommandError(FileSolver.unknownFormat(input))
    }
  }

  /// Fills `target` with the next bytes.
  ///
  /// - Throws: `CommandError` where the file has fewer.
  mutating func read(into target: UnsafeMutableRawBufferPointer) throws(CommandError) {
    let held = min(target.count, buffer.count - taken)
    target.copyBytes(from: buffer[taken..<(taken + held)])
    taken += held
    if taken == buffer.count {
      buffer = []
      taken = 0
    }
    let rest = UnsafeMutableRawBufferPointer(rebasing: target[held...])
    guard try input.read(into: rest) == rest.count else {
      throw CommandError(.data, "\(input.name) ends before its data do.")
    }
  }

  /// Makes sure that nothing follows.
  mutating func finish() throws(CommandError) {
    if taken == buffer.count { try more() }
    guard taken == buffer.count else {
      throw CommandError(.data, "\(input.name) is longer than its header says.")
    }
  }

  // MARK: Parts

  private mutating func complete<Header>(
    _ format: TensorFormat,
    _ read: (UnsafeRawBufferPointer) throws(TensorError) -> HeaderProgress<Header>
  ) throws(CommandError) -> Header {
    while true {
      let result = buffer.withUnsafeBytes { bytes in
        Result { () throws(TensorError) in try read(bytes) }
      }
      do throws(TensorError) {
        if case .complete(let header) = try result.get() { return header }
      } catch {
        throw CommandError(.data, error.message)
      }
      let before = buffer.count
      try more()
      guard buffer.count > before else {
        let error = TensorError.truncatedHeader(format, received: before)
        throw CommandError(.data, error.message)
      }
    }
  }

  private func check(_ check: (Int) throws(TensorError) -> Void) throws(CommandError) {
    guard let byteCount = input.byteCount else { return }
    do throws(TensorError) { try check(byteCount) } catch {
      throw CommandError(.data, error.message)
    }
  }

  /// Appends the next mebibyte to the buffer.
  private mutating func more() throws(CommandError) {
    let start = buffer.count
    buffer += repeatElement(0, count: 1 << 20)
    let input = input
    let result = buffer.withUnsafeMutableBytes { bytes in
      Result { () throws(CommandError) in
        try input.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
      }
    }
    let count = try result.get()
    buffer.removeLast(buffer.count - start - count)
  }
}
