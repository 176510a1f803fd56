// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// The header of a .npy file, format versions 1 to 3.
///
/// The format is that of numpy's documentation (`numpy.lib.format`). The header is a Python
/// literal; it is read by a fixed grammar and never evaluated.
public struct NPYHeader: Sendable, Hashable {
  /// The first bytes of every .npy file.
  public static let magic: [UInt8] = [0x93] + "NUMPY".utf8
  /// The longest header text that is read, in bytes.
  public static let maximumLength = 64 << 10
  /// The largest number of dimensions, which is numpy's own.
  public static let maximumDimensions = 64

  /// The type as it is written, as `<f4`.
  public let descriptor: String
  public let elementType: ElementType
  /// Whether the bytes of each element are in reverse.
  public let isBigEndian: Bool
  /// Whether the first index varies fastest.
  public let isFortranOrder: Bool
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  /// Where the data begin, in bytes from the start of the file.
  public let dataOffset: Int
  /// The size of the data, in bytes.
  public let dataByteCount: Int

  /// Looks for the header in the first bytes of a file.
  ///
  /// Nothing is allocated by any number in the file; a false start is refused at its first byte.
  ///
  /// - Throws: `TensorError`: `.malformedHeader`, `.headerTooLong`, `.unsupportedType` (structured,
  ///   object, complex, text, time and unsigned types wider than a byte) or `.shapeTooLarge`.
  /// - Complexity: O(header), in the one call that returns it.
  public static func read(
    _ prefix: UnsafeRawBufferPointer
  ) throws(TensorError) -> HeaderProgress<NPYHeader> {
    for (index, byte) in zip(0..., prefix.prefix(magic.count)) where byte != magic[index] {
      throw .malformedHeader(.npy, reason: "it does not begin with \\x93NUMPY", offset: index)
    }
    guard prefix.count >= 8 else { return .incomplete(byteCount: 10) }
    guard (1...3).contains(prefix[6]), prefix[7] == 0 else {
      throw .malformedHeader(
        .npy,
        reason: "version \(prefix[6]).\(prefix[7]) is unknown",
        offset: 6
      )
    }
    let lengthBytes = prefix[6] == 1 ? 2 : 4
    let textOffset = 8 + lengthBytes
    guard prefix.count >= textOffset else { return .incomplete(byteCount: textOffset) }
    let length = (8..<textOffset).reversed().reduce(0) { $0 << 8 | Int(prefix[$1]) }
    guard length <= maximumLength else {
      throw .headerTooLong(.npy, length: UInt64(length), limit: maximumLength)
    }
    let dataOffset = textOffset + length
    guard prefix.count >= dataOffset else { return .incomplete(byteCount: dataOffset) }

    var parser = NPYDictionary(
      bytes: UnsafeRawBufferPointer(rebasing: prefix[textOffset..<dataOffset]),
      offset: textOffset
    )
    let fields = try parser.parse()
    let (type, isBigEndian) = try elementType(of: fields.descriptor)
    guard let byteCount = type.byteCount(ofShape: fields.shape) else {
      throw .shapeTooLarge(shape: fields.shape)
    }
    return .complete(
      NPYHeader(
        descriptor: fields.descriptor,
        elementType: type,
        isBigEndian: isBigEndian,
        isFortranOrder: fields.isFortranOrder,
        shape: fields.shape,
        dataOffset: dataOffset,
        dataByteCount: byteCount
      )
    )
  }

  /// Checks that a whole file is as long as the header says.
  ///
  /// - Throws: `TensorError.wrongByteCount` if it is shorter or longer.
  public func check(fileByteCount: Int) throws(TensorError) {
    guard fileByteCount - dataOffset == dataByteCount else {
      throw .wrongByteCount(expected: dataByteCount, received: fileByteCount - dataOffset)
    }
  }

  /// The bytes before the data of a row-major, little-endian file, padded to a multiple of 64.
  ///
  /// - Throws: `TensorError.unsupportedType` for BF16, which numpy does not have.
  public static func bytes(
    elementType: ElementType,
    shape: [Int]
  ) throws(TensorError) -> [UInt8] {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let descriptor = try descriptor(of: elementType)
    var text = Array(
      "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(extents)), }".utf8
    )
    let used = magic.count + 4 + text.count + 1
    text += repeatElement(UInt8(ascii: " "), count: (64 - used % 64) % 64)
    text.append(UInt8(ascii: "\n"))
    return magic + [1, 0, UInt8(text.count & 0xff), UInt8(text.count >> 8)] + text
  }

  private static func descriptor(of type: ElementType) throws(TensorError) -> String {
    switch type {
    case .bool: "|b1"
    case .numeric(.float64): "<f8"
    case .numeric(.float32): "<f4"
    case .numeric(.float16): "<f2"
    case .numeric(.int8): "|i1"
    case .numeric(.uint8): "|u1"
    case .numeric(.int16): "<i2"
    case .numeric(.int32): "<i4"
    case .numeric(.int64): "<i8"
    case .numeric(.bfloat16):
      throw .unsupportedType(.npy, name: DataType.bfloat16.rawValue, tensor: nil)
    }
  }

  private static func elementType(
    of descriptor: String
  ) throws(TensorError) -> (type: ElementType, isBigEndian: Bool) {
    let order = descriptor.first.flatMap { "<>=|".contains($0) ? $0 : nil }
    let type: ElementType
    switch order == nil ? descriptor : String(descriptor.dropFirst()) {
    case "f8": type = .numeric(.float64)
    case "f4": type = .numeric(.float32)
    case "f2": type = .numeric(.float16)
    case "i1": type = .numeric(.int8)
    case "u1": type = .numeric(.uint8)
    case "i2": type = .numeric(.int16)
    case "i4": type = .numeric(.int32)
    case "i8": type = .numeric(.int64)
    case "b1", "?": type = .bool
    default: throw .unsupportedType(.npy, name: descriptor.shortened(to: 64), tensor: nil)
    }
    return (type, order == ">" && type.byteCount > 1)
  }
}
