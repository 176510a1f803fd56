// SPDX-License-Identifier: GPL-3.0-or-later

extension MatrixView {
  /// Reads some columns of one row: exact but for integers and doubles that `Target` cannot hold,
  /// which round to nearest.
  ///
  /// - Complexity: O(`range.count`).
  func read<Target: BinaryFloatingPoint>(
    row: Int,
    columns range: Range<Int>,
    into destination: UnsafeMutablePointer<Target>
  ) {
    switch dataType {
    case .float64: convert(row, range, destination) { (element: Double) in Target(element) }
    case .float32: convert(row, range, destination) { (element: Float) in Target(element) }
    case .float16:
      convert(row, range, destination) { (bits: UInt16) in Target(Float(float16Bits: bits)) }
    case .bfloat16:
      convert(row, range, destination) { (bits: UInt16) in
        Target(Float(bitPattern: UInt32(bits) << 16))
      }
    case .int8: convert(row, range, destination) { (element: Int8) in Target(element) }
    case .uint8: convert(row, range, destination) { (element: UInt8) in Target(element) }
    case .int16: convert(row, range, destination) { (element: Int16) in Target(element) }
    case .int32: convert(row, range, destination) { (element: Int32) in Target(element) }
    case .int64: convert(row, range, destination) { (element: Int64) in Target(element) }
    }
  }

  /// Reads one row as float32, and stops at the first element that float32 does not hold.
  ///
  /// - Returns: whether all elements are exact. NaN never is.
  func readExactly(row: Int, into destination: UnsafeMutablePointer<Float>) -> Bool {
    switch dataType {
    case .float32, .float16, .bfloat16, .int8, .uint8, .int16:
      read(row: row, columns: 0..<columns, into: destination)
      return true
    case .float64:
      return convertExactly(row, destination) { (element: Double) in
        (Float(element), Double(Float(element)) == element)
      }
    case .int32:
      return convertExactly(row, destination) { (element: Int32) in
        (Float(element), Int64(Float(element)) == Int64(element))
      }
    case .int64:
      return convertExactly(row, destination) { (element: Int64) in
        (Float(element), Float(exactly: element) != nil)
      }
    }
  }

  @inline(__always)
  private func convertExactly<Element: BitwiseCopyable>(
    _ row: Int,
    _ destination: UnsafeMutablePointer<Float>,
    _ conversion: (Element) -> (Float, Bool)
  ) -> Bool {
    let source = base + row * rowByteCount
    for column in 0..<columns {
      let (value, isExact) = conversion(
        source.loadUnaligned(fromByteOffset: column * MemoryLayout<Element>.size, as: Element.self)
      )
      guard isExact else { return false }
      destination[column] = value
    }
    return true
  }

  /// Reads some columns of one row as doubles.
  ///
  /// - Parameter firstRow: the matrix's row that is row 0 here, for the error.
  /// - Throws: `GradientError.notFinite`, naming the first such entry.
  func readFinite(
    row: Int,
    columns range: Range<Int>,
    into destination: UnsafeMutablePointer<Double>,
    firstRow: Int
  ) throws(GradientError) {
    read(row: row, columns: range, into: destination)
    guard dataType.isFloatingPoint else { return }
    // Infinity or NaN times zero is NaN, which no later zero can cure.
    var probe = 0.0
    for index in 0..<range.count { probe += destination[index] * 0 }
    guard probe.isNaN else { return }
    for index in 0..<range.count where !destination[index].isFinite {
      throw .notFinite(row: firstRow + row, column: range.lowerBound + index)
    }
  }

  @inline(__always)
  private func convert<Element: BitwiseCopyable, Target>(
    _ row: Int,
    _ range: Range<Int>,
    _ destination: UnsafeMutablePointer<Target>,
    _ conversion: (Element) -> Target
  ) {
    let size = MemoryLayout<Element>.size
    let source = base + row * rowByteCount + range.lowerBound * size
    for index in 0..<range.count {
      destination[index] = conversion(
        source.loadUnaligned(fromByteOffset: index * size, as: Element.self)
      )
    }
  }
}

extension Float {
  /// The value of an IEEE 754 half-precision number.
  ///
  /// By hand because `Float16` is missing on some platforms that Swift runs on.
  @inline(__always)
  init(float16Bits bits: UInt16) {
    let sign = UInt32(bits & 0x8000) << 16
    let rest = UInt32(bits & 0x7FFF)
    if rest >= 0x7C00 {
      self = Float(bitPattern: sign | rest << 13 | 0x7F80_0000)
    } else {
      // Shifted into place the exponent is 112 too small, for subnormals too.
      self = Float(bitPattern: sign | rest << 13) * 0x1p112
    }
  }
}
