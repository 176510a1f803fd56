// SPDX-License-Identifier: GPL-3.0-or-later

@testable import TensorIO

/// A header that is read from the first bytes of a file.
protocol FileHeader: Sendable, Equatable {
  static func look(_ prefix: UnsafeRawBufferPointer) throws(TensorError) -> HeaderProgress<Self>
  var dataOffset: Int { get }
}

extension NPYHeader: FileHeader {
  static func look(_ prefix: UnsafeRawBufferPointer) throws(TensorError) -> HeaderProgress<Self> {
    try read(prefix)
  }
}

extension SafetensorsHeader: FileHeader {
  static func look(_ prefix: UnsafeRawBufferPointer) throws(TensorError) -> HeaderProgress<Self> {
    try read(prefix, maximumLength: 4096)
  }
}

/// What a look at the first bytes came to.
private enum Look<Header: FileHeader>: Equatable {
  case needs(Int)
  case refused(TensorError)
  case header(Header)

  init(_ prefix: UnsafeRawBufferPointer) {
    do throws(TensorError) {
      switch try Header.look(prefix) {
      case .incomplete(let byteCount): self = .needs(byteCount)
      case .complete(let header): self = .header(header)
      }
    } catch {
      self = .refused(error)
    }
  }
}

/// Reads a header, having checked what shorter looks at the same bytes say.
///
/// - A look asks for more than it has, and for no more than the header.
/// - What a look has decided, a longer one decides too.
func readHeader<Header: FileHeader>(
  _ input: UnsafeRawBufferPointer,
  _ choices: inout Choices,
  as type: Header.Type
) -> Header? {
  let whole = Look<Header>(input)
  var lengths = [0, choices.below(input.count + 1), choices.below(min(input.count, 12) + 1)]
  if case .header(let header) = whole { lengths += [header.dataOffset, header.dataOffset - 1] }
  for length in lengths {
    // A copy, so that a sanitizer sees a read past its end.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<length]))
    let look = Look<Header>(UnsafeRawBufferPointer(copy))
    guard case .needs(let byteCount) = look else {
      require(look == whole, "\(length) bytes decide as all of them do")
      continue
    }
    require(byteCount > length, "a look asks for more than the \(length) bytes it has")
    switch whole {
    case .header(let header):
      require(
        length < header.dataOffset && byteCount <= max(header.dataOffset, 10),
        "a look asks for no more than the header"
      )
    case .needs(let more): require(byteCount <= more, "a longer look asks for no less")
    case .refused: break
    }
  }
  if case .header(let header) = whole { return header }
  return nil
}

/// The size of a tensor in bits, or nil from 2^63 on; by other arithmetic than the parsers'.
func bitCount(_ shape: [Int], bitsOfElement: Int) -> Int? {
  if shape.contains(0) { return 0 }
  var product = bitsOfElement
  for extent in shape {
    let (high, low) = product.multipliedFullWidth(by: extent)
    guard high == 0, let next = Int(exactly: low) else { return nil }
    product = next
  }
  return product
}
