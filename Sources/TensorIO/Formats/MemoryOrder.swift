// SPDX-License-Identifier: GPL-3.0-or-later

/// Reverses the bytes of elements in place as a tensor arrives, whole elements at a time.
///
///     var swap = ByteSwap(elementByteCount: 4)
///     swap.advance(in: storage, available: received)  // after every chunk
public struct ByteSwap: Sendable {
  /// The size of an element, in bytes.
  public let elementByteCount: Int
  /// How many bytes from the start are in their final order.
  public private(set) var swappedByteCount = 0

  /// Makes a swap for elements of 1, 2, 4 or 8 bytes.
  public init(elementByteCount: Int) {
    precondition([1, 2, 4, 8].contains(elementByteCount))
    self.elementByteCount = elementByteCount
  }

  /// Reverses the elements that have become whole since the last call.
  ///
  /// - Parameters:
  ///   - storage: The tensor from its first byte on, the same memory in every call.
  ///   - available: The number of bytes from the start that have arrived.
  /// - Complexity: O(new bytes).
  public mutating func advance(in storage: UnsafeMutableRawBufferPointer, available: Int) {
    precondition(available <= storage.count)
    let end = available - available % elementByteCount
    guard end > swappedByteCount, let base = storage.baseAddress else { return }
    let range = swappedByteCount..<end
    switch elementByteCount {
    case 2: swap(base, range, as: UInt16.self)
    case 4: swap(base, range, as: UInt32.self)
    case 8: swap(base, range, as: UInt64.self)
    default: break
    }
    swappedByteCount = end
  }

  private func swap<Word: FixedWidthInteger & BitwiseCopyable>(
    _ base: UnsafeMutableRawPointer,
    _ range: Range<Int>,
    as type: Word.Type
  ) {
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: MemoryLayout<Word>.size)
    {
      let word = base.loadUnaligned(fromByteOffset: offset, as: Word.self)
      base.storeBytes(of: word.byteSwapped, toByteOffset: offset, as: Word.self)
    }
  }
}

/// Copies a tensor whose first index varies fastest to one whose last index does.
///
/// - Parameters:
///   - source: The elements in Fortran order; need not be aligned.
///   - destination: Room for as many bytes, apart from the source.
///   - shape: The extents, outermost first, whose product is the number of elements.
///   - elementByteCount: 1, 2, 4 or 8.
/// - Complexity: O(elements).
public func copyFortranOrder(
  from source: UnsafeRawBufferPointer,
  to destination: UnsafeMutableRawBufferPointer,
  shape: [Int],
  elementByteCount: Int
) {
  precondition(
    TensorIndex.elementCount(of: shape).map { $0 * elementByteCount } == source.count
      && destination.count >= source.count
  )
  guard let from = source.baseAddress, let to = destination.baseAddress, !source.isEmpty else {
    return
  }
  switch elementByteCount {
  case 1: transpose(from, to, shape, as: UInt8.self)
  case 2: transpose(from, to, shape, as: UInt16.self)
  case 4: transpose(from, to, shape, as: UInt32.self)
  case 8: transpose(from, to, shape, as: UInt64.self)
  default: preconditionFailure("an element has 1, 2, 4 or 8 bytes")
  }
}

/// Reverses all axes: a plane of the first and the last axis for each index of those between.
private func transpose<Word: BitwiseCopyable>(
  _ source: UnsafeRawPointer,
  _ destination: UnsafeMutableRawPointer,
  _ shape: [Int],
  as type: Word.Type
) {
  let size = MemoryLayout<Word>.size
  guard shape.count >= 2 else {
    destination.copyMemory(from: source, byteCount: (shape.first ?? 1) * size)
    return
  }
  let last = shape.count - 1
  var sourceStrides = [Int](repeating: 1, count: shape.count)
  var strides = sourceStrides
  for axis in 1...last { sourceStrides[axis] = sourceStrides[axis - 1] * shape[axis - 1] }
  for axis in (0..<last).reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }

  let middle = Array(shape[1..<last])
  for plane in 0..<middle.reduce(1, *) {
    var from = source
    var to = destination
    for (axis, index) in zip(1..., TensorIndex.path(of: plane, in: middle)) {
      from += index * sourceStrides[axis] * size
      to += index * strides[axis] * size
    }
    // Squares of 32 keep the lines of both sides in the first cache.
    for top in stride(from: 0, to: shape[0], by: 32) {
      for left in stride(from: 0, to: shape[last], by: 32) {
        for row in top..<min(top + 32, shape[0]) {
          for column in left..<min(left + 32, shape[last]) {
            let word = from.loadUnaligned(
              fromByteOffset: (row + column * sourceStrides[last]) * size,
              as: Word.self
            )
            to.storeBytes(
              of: word,
              toByteOffset: (row * strides[0] + column) * size,
              as: Word.self
            )
          }
        }
      }
    }
  }
}
