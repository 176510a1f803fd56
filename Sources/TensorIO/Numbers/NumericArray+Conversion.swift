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
      return try elements(type) { _, value in value.bitPattern }
    case .float32:
      return try elements(type) { _, value in
        let narrow = Float(value)
        return narrow.isFinite ? narrow.bitPattern : nil
      }
    case .float16: return try floats(type, .float16)
    case .bfloat16: return try floats(type, .bfloat16)
    case .int8: return try integers(type, as: Int8.self)
    case .uint8: return try integers(type, as: UInt8.self)
    case .int16: return try integers(type, as: Int16.self)
    case .int32: return try integers(type, as: Int32.self)
    case .int64: return try integers(type, as: Int64.self)
    }
  }

  /// The values of a regular array, none of which is beyond the range of Double.
  ///
  /// - Throws: as `converted(to: .float64)`.
  /// - Complexity: O(1).
  public func doubles() throws(TensorError) -> [Double] {
    if let irregularity { throw .irregular(irregularity) }
    if let firstOverflow { throw outOfRange(firstOverflow, .float64) }
    return values
  }

  @inline(__always)
  private func floats(_ type: DataType, _ format: FloatFormat) throws(TensorError) -> [UInt8] {
    let infinity = UInt16(truncatingIfNeeded: format.bits(of: .infinity))
    return try elements(type) { _, value in
      let bits = UInt16(truncatingIfNeeded: format.bits(of: value))
      return bits & infinity == infinity ? nil : bits
    }
  }

  @inline(__always)
  private func integers<Element: FixedWidthInteger>(
    _ type: DataType,
    as element: Element.Type
  ) throws(TensorError) -> [UInt8] {
    let range = -0x1p63..<0x1p63
    return try elements(type) { index, value in
      if value.magnitude >= 0x1p53, let large = largeInteger(at: index) {
        return large.int64.flatMap { Element(exactly: $0) }
      }
      guard range.contains(value) else { return nil }
      let whole = Int64(value)
      return Double(whole) == value ? Element(exactly: whole) : nil
    }
  }

  /// The little-endian bytes of what `element` makes of each index and value.
  ///
  /// - Throws: The fault of the first value of which it makes nil.
  @inline(__always)
  private func elements<Element: FixedWidthInteger>(
    _ type: DataType,
    _ element: (Int, Double) -> Element?
  ) throws(TensorError) -> [UInt8] {
    let size = MemoryLayout<Element>.size
    var bytes = [UInt8](repeating: 0, count: values.count * size)
    let misfit: Int? = bytes.withUnsafeMutableBytes { bytes in
      values.withUnsafeBufferPointer { values in
        for index in values.indices {
          guard let element = element(index, values[index]) else { return index }
          bytes.storeBytes(of: element.littleEndian, toByteOffset: index * size, as: Element.self)
        }
        return nil
      }
    }
    guard let misfit else { return bytes }
    let value = values[misfit]
    if !type.isFloatingPoint, value.isFinite, value != value.rounded(.towardZero) {
      throw .notWhole(index: misfit, path: path(of: misfit), type)
    }
    throw outOfRange(misfit, type)
  }

  private func outOfRange(_ index: Int, _ type: DataType) -> TensorError {
    .outOfRange(index: index, path: path(of: index), type)
  }
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
