// SPDX-License-Identifier: GPL-3.0-or-later

extension MatrixView {
  /// The first entry, in row-major order, that is below zero.
  ///
  /// - Complexity: O(rows * columns).
  public func firstNegative() -> (row: Int, column: Int)? {
    dataType.accept(FirstNegative(matrix: self)).map { ($0 / columns, $0 % columns) }
  }

  /// The entries that are not zero; -0.0 is zero.
  ///
  /// - Complexity: O(rows * columns).
  public func nonZeros() -> Mask {
    var mask = Mask(rows: rows, columns: columns)
    for index in dataType.accept(NonZeros(matrix: self)) {
      mask[index / columns, index % columns] = true
    }
    return mask
  }

  /// The magnitudes times a factor for each column, |w_ij| * s_j, row-major.
  ///
  /// Activation-aware pruning scores weights so, with the norms of the inputs (Sun et al., 2024,
  /// "A Simple and Effective Pruning Approach for Large Language Models", equation 1).
  ///
  /// - Precondition: `scale` has a factor for each column.
  /// - Complexity: O(rows * columns).
  public func magnitudes(scaledBy scale: [Double]) -> [Double] {
    precondition(scale.count == columns)
    return dataType.accept(ScaledMagnitudes(matrix: self, scale: scale))
  }

  /// The sums of the magnitudes that `mask` keeps, and of all, in row-major order.
  ///
  /// - Complexity: O(rows * columns).
  public func magnitudes(keptBy mask: Mask) -> (kept: Double, total: Double) {
    precondition(mask.rows == rows && mask.columns == columns)
    return dataType.accept(KeptMagnitudes(matrix: self, mask: mask))
  }

  /// The matrix with +0 wherever `mask` does not keep.
  ///
  /// - Complexity: O(rows * columns).
  public func masked(by mask: Mask) -> [UInt8] {
    precondition(mask.rows == rows && mask.columns == columns)
    let size = dataType.byteCount
    var bytes = [UInt8](repeating: 0, count: rows * rowByteCount)
    bytes.withUnsafeMutableBytes { target in
      guard let target = target.baseAddress else { return }
      for row in 0..<rows {
        for column in 0..<columns where mask[row, column] {
          let offset = row * rowByteCount + column * size
          (target + offset).copyMemory(from: base + offset, byteCount: size)
        }
      }
    }
    return bytes
  }

  /// The magnitude of one entry.
  func magnitude(_ row: Int, _ column: Int) -> Double {
    let offset = row * rowByteCount + column * dataType.byteCount
    return dataType.accept(OneMagnitude(address: base + offset))
  }
}

extension MatrixView {
  @inline(__always)
  fileprivate func element<Element: MatrixElement>(
    _ index: Int,
    _ type: Element.Type
  ) -> Element {
    base.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: type)
  }
}

private struct FirstNegative: MatrixVisitor {
  let matrix: MatrixView

  func visit<Element: MatrixElement>(_ type: Element.Type) -> Int? {
    (0..<(matrix.rows * matrix.columns)).first { matrix.element($0, type).isNegative }
  }
}

private struct NonZeros: MatrixVisitor {
  let matrix: MatrixView

  func visit<Element: MatrixElement>(_ type: Element.Type) -> [Int] {
    (0..<(matrix.rows * matrix.columns)).filter { matrix.element($0, type).orderingKey != 0 }
  }
}

private struct ScaledMagnitudes: MatrixVisitor {
  let matrix: MatrixView
  let scale: [Double]

  func visit<Element: MatrixElement>(_ type: Element.Type) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(matrix.rows * matrix.columns)
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns {
        let index = row * matrix.columns + column
        result.append(matrix.element(index, type).absoluteDouble * scale[column])
      }
    }
    return result
  }
}

private struct KeptMagnitudes: MatrixVisitor {
  let matrix: MatrixView
  let mask: Mask

  func visit<Element: MatrixElement>(_ type: Element.Type) -> (kept: Double, total: Double) {
    var sums = (kept: 0.0, total: 0.0)
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns {
        let magnitude = matrix.element(row * matrix.columns + column, type).absoluteDouble
        sums.total += magnitude
        if mask[row, column] { sums.kept += magnitude }
      }
    }
    return sums
  }
}

private struct OneMagnitude: MatrixVisitor {
  let address: UnsafeRawPointer

  func visit<Element: MatrixElement>(_ type: Element.Type) -> Double {
    address.loadUnaligned(as: type).absoluteDouble
  }
}
