// SPDX-License-Identifier: GPL-3.0-or-later

extension MatrixView {
  /// Reads one row as doubles: exact but for 64-bit integers beyond 2^53, which round to nearest.
  ///
  /// - Complexity: O(`columns`).
  func readRow(_ row: Int, into destination: UnsafeMutablePointer<Double>) {
    let source = base + row * rowByteCount
    switch dataType {
    case .float64: convert(source, Double.self, destination) { $0 }
    case .float32: convert(source, Float.self, destination) { Double($0) }
    case .float16: convert(source, UInt16.self, destination) { Double(float16Bits: $0) }
    case .bfloat16:
      convert(source, UInt16.self, destination) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .int8: convert(source, Int8.self, destination) { Double($0) }
    case .uint8: convert(source, UInt8.self, destination) { Double($0) }
    case .int16: convert(source, Int16.self, destination) { Double($0) }
    case .int32: convert(source, Int32.self, destination) { Double($0) }
    case .int64: convert(source, Int64.self, destination) { Double($0) }
    }
  }

  @inline(__always)
  private func convert<Element: BitwiseCopyable>(
    _ source: UnsafeRawPointer,
    _: Element.Type,
    _ destination: UnsafeMutablePointer<Double>,
    _ toDouble: (Element) -> Double
  ) {
    for column in 0..<columns {
      destination[column] = toDouble(
        source.loadUnaligned(fromByteOffset: column * MemoryLayout<Element>.size, as: Element.self)
      )
    }
  }
}

extension Double {
  /// The value of an IEEE 754 half-precision number.
  ///
  /// By hand because `Float16` is missing on some platforms that Swift runs on.
  init(float16Bits bits: UInt16) {
    let sign: FloatingPointSign = bits & 0x8000 == 0 ? .plus : .minus
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = UInt64(bits & 0x3FF)
    switch exponent {
    case 0:
      self = Double(fraction) * 0x1p-24
      if sign == .minus { self = -self }
    case 31:
      self = fraction == 0 ? .infinity : .nan
      if sign == .minus { self = -self }
    default:
      let field = UInt64(exponent - 15 + 1023)
      self = Double(bitPattern: UInt64(bits & 0x8000) << 48 | field << 52 | fraction << 42)
    }
  }
}
