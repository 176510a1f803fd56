// SPDX-License-Identifier: GPL-3.0-or-later

public import Sparsity

extension NumericArray {
  /// The array as little-endian, row-major elements of a type.
  ///
  /// Floating-point types take the nearest value, to even in a tie; integer types take whole
  /// numbers of their range, exactly, also beyond 2^53. Booleans count as 0 and 1.
  ///
  /// - Throws: `TensorError.irregular`; else `.outOfRange` or `.notWhole` for the first number
  ///   that does not fit.
  /// - Complexity: O(elements).
  public func converted(to type: DataType) throws(TensorError) -> [UInt8] {
    if let irregularity { throw .irregular(irregularity) }
    switch type {
    case .float64:
      if let firstOverflow { throw outOfRange(firstOverflow, type) }
      return littleEndianBytes(values)
    case .float32:
      return try floats(type, as: UInt32.self, format: .float32)
    case .float16:
      return try floats(type, as: UInt16.self, format: .float16)
    case .bfloat16:
      return try floats(type, as: UInt16.self, format: .bfloat16)
    case .int8: return try integers(type, as: Int8.self)
    case .uint8: return try integers(type, as: UInt8.self)
    case .int16: return try integers(type, as: Int16.self)
    case .int32: return try integers(type, as: Int32.self)
    case .int64: return try integers(type, as: Int64.self)
    }
  }

  private func floats<Bits: FixedWidthInteger>(
    _ type: DataType,
    as bits: Bits.Type,
    format: FloatFormat
  ) throws(TensorError) -> [UInt8] {
    let infinity = format.bits(of: .infinity)
    return try elements(of: Bits.self) { (index) throws(TensorError) in
      let bits = format.bits(of: values[index])
      if bits & infinity == infinity { throw outOfRange(index, type) }
      return Bits(truncatingIfNeeded: bits)
    }
  }

  private func integers<Element: FixedWidthInteger>(
    _ type: DataType,
    as element: Element.Type
  ) throws(TensorError) -> [UInt8] {
    // The rare large integers are taken in step with the values, which come in the same order.
    var next = 0
    return try elements(of: Element.self) { (index) throws(TensorError) in
      if next < largeIntegers.count, largeIntegers[next].index == index {
        let exact = largeIntegers[next].value
        next += 1
        guard let value = exact.int64.flatMap({ Element(exactly: $0) }) else {
          throw outOfRange(index, type)
        }
        return value
      }
      let value = values[index]
      if let element = Element(exactly: value) { return element }
      if value.isFinite && value != value.rounded(.towardZero) {
        throw .notWhole(index: index, path: path(of: index), type)
      }
      throw outOfRange(index, type)
    }
  }

  private func elements<Element: FixedWidthInteger>(
    of type: Element.Type,
    _ element: (Int) throws(TensorError) -> Element
  ) throws(TensorError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count * MemoryLayout<Element>.size)
    for index in values.indices {
      let value = try element(index).littleEndian
      bytes.withUnsafeMutableBytes {
        $0.storeBytes(
          of: value,
          toByteOffset: index * MemoryLayout<Element>.size,
          as: Element.self
        )
      }
    }
    return bytes
  }

  private func outOfRange(_ index: Int, _ type: DataType) -> TensorError {
    .outOfRange(index: index, path: path(of: index), type)
  }
}

private func littleEndianBytes(_ values: [Double]) -> [UInt8] {
  #if _endian(little)
    return values.withUnsafeBytes { Array($0) }
  #else
    return values.flatMap { value in
      withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
  #endif
}

extension DataType {
  /// The value of one little-endian element, as the nearest Double (exact but for I64).
  ///
  /// - Parameter bytes: At least `byteCount` bytes, which need not be aligned.
  @inline(__always)
  public func double(at bytes: UnsafeRawPointer) -> Double {
    func load<Bits: FixedWidthInteger & BitwiseCopyable>(_ type: Bits.Type) -> Bits {
      Bits(littleEndian: bytes.loadUnaligned(as: Bits.self))
    }
    return switch self {
    case .float64: Double(bitPattern: load(UInt64.self))
    case .float32: Double(Float(bitPattern: load(UInt32.self)))
    case .float16: TensorIO.double(float16: load(UInt16.self))
    case .bfloat16: TensorIO.double(bfloat16: load(UInt16.self))
    case .int8: Double(load(Int8.self))
    case .uint8: Double(load(UInt8.self))
    case .int16: Double(load(Int16.self))
    case .int32: Double(load(Int32.self))
    case .int64: Double(load(Int64.self))
    }
  }

  /// The values of little-endian elements, as the nearest Doubles (exact but for I64).
  ///
  /// Bytes after the last whole element are not looked at.
  ///
  /// - Complexity: O(bytes).
  public func doubles(in bytes: UnsafeRawBufferPointer) -> [Double] {
    guard let base = bytes.baseAddress else { return [] }
    return (0..<(bytes.count / byteCount)).map { double(at: base + $0 * byteCount) }
  }
}
