// SPDX-License-Identifier: GPL-3.0-or-later

/// A type of which a matrix may hold elements.
protocol MatrixElement: BitwiseCopyable {
  /// |self| as a float64: exact, but for 64-bit integers above 2^53.
  var absoluteDouble: Double { get }
  /// A number that orders elements of this type by magnitude, exactly.
  var orderingKey: UInt64 { get }
  var isFiniteElement: Bool { get }
  /// Whether the element is below zero, which -0.0 is not.
  var isNegative: Bool { get }
}

extension MatrixElement where Self: BinaryFloatingPoint {
  @inline(__always) var absoluteDouble: Double { abs(Double(self)) }
  // Non-negative IEEE numbers are ordered as their bit patterns are.
  @inline(__always) var orderingKey: UInt64 { absoluteDouble.bitPattern }
  @inline(__always) var isFiniteElement: Bool { isFinite }
  @inline(__always) var isNegative: Bool { self < 0 }
}

extension MatrixElement where Self: FixedWidthInteger {
  @inline(__always) var absoluteDouble: Double { Double(magnitude) }
  @inline(__always) var orderingKey: UInt64 { UInt64(magnitude) }
  @inline(__always) var isFiniteElement: Bool { true }
  @inline(__always) var isNegative: Bool { self < 0 }
}

extension Double: MatrixElement {}
extension Float: MatrixElement {}
extension Float16: MatrixElement {}
extension Int8: MatrixElement {}
extension UInt8: MatrixElement {}
extension Int16: MatrixElement {}
extension Int32: MatrixElement {}
extension Int64: MatrixElement {}

/// The upper half of a float32.
struct BFloat16: MatrixElement {
  var bitPattern: UInt16
  @inline(__always) var float: Float { Float(bitPattern: UInt32(bitPattern) << 16) }
  @inline(__always) var absoluteDouble: Double { float.absoluteDouble }
  @inline(__always) var orderingKey: UInt64 { float.orderingKey }
  @inline(__always) var isFiniteElement: Bool { float.isFinite }
  @inline(__always) var isNegative: Bool { float < 0 }
}

/// Something to do with a matrix once its element type is known at compile time.
protocol MatrixVisitor {
  associatedtype Result
  func visit<Element: MatrixElement>(_ type: Element.Type) -> Result
}

extension DataType {
  /// Calls `visitor` with the Swift type of the elements.
  @inline(__always)
  func accept<Visitor: MatrixVisitor>(_ visitor: Visitor) -> Visitor.Result {
    switch self {
    case .float64: visitor.visit(Double.self)
    case .float32: visitor.visit(Float.self)
    case .float16: visitor.visit(Float16.self)
    case .bfloat16: visitor.visit(BFloat16.self)
    case .int8: visitor.visit(Int8.self)
    case .uint8: visitor.visit(UInt8.self)
    case .int16: visitor.visit(Int16.self)
    case .int32: visitor.visit(Int32.self)
    case .int64: visitor.visit(Int64.self)
    }
  }
}

extension MatrixView {
  /// The first entry, in row-major order, that is NaN or infinite.
  ///
  /// - Complexity: O(rows * columns).
  public func firstNotFinite() -> (row: Int, column: Int)? {
    guard dataType.isFloatingPoint, columns > 0 else { return nil }
    return dataType.accept(FirstNotFinite(matrix: self)).map { ($0 / columns, $0 % columns) }
  }

  /// The sum of the magnitudes of the columns from `column` on, row by row.
  func sumOfMagnitudes(fromColumn column: Int) -> Double {
    dataType.accept(SumOfMagnitudes(matrix: self, firstColumn: column))
  }
}

private struct FirstNotFinite: MatrixVisitor {
  let matrix: MatrixView

  func visit<Element: MatrixElement>(_ type: Element.Type) -> Int? {
    let count = matrix.rows * matrix.columns
    var start = 0
    // Whole blocks are tested without a branch for each entry.
    while start < count {
      let end = min(start + 1024, count)
      var allFinite = true
      for index in start..<end {
        allFinite = element(index, type).isFiniteElement && allFinite
      }
      if !allFinite {
        return (start..<end).first { !element($0, type).isFiniteElement }
      }
      start = end
    }
    return nil
  }

  @inline(__always)
  private func element<Element: MatrixElement>(_ index: Int, _ type: Element.Type) -> Element {
    matrix.base.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: type)
  }
}

private struct SumOfMagnitudes: MatrixVisitor {
  let matrix: MatrixView
  let firstColumn: Int

  func visit<Element: MatrixElement>(_ type: Element.Type) -> Double {
    var sum = 0.0
    for row in 0..<matrix.rows {
      let base = matrix.base + row * matrix.rowByteCount
      for column in firstColumn..<matrix.columns {
        sum +=
          base.loadUnaligned(fromByteOffset: column * MemoryLayout<Element>.size, as: type)
          .absoluteDouble
      }
    }
    return sum
  }
}
