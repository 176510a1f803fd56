// SPDX-License-Identifier: GPL-3.0-or-later

import Sparsity

/// The matrices that a weight tensor is made of.
///
/// The weight of a linear layer, out x in, is one matrix. That of a convolution, out x in / groups x
/// kernel, is one matrix out / groups x in / groups for each position of the kernel in each group: the
/// products of the forward and of the backward pass are sums over those matrices, so a mask of
/// each serves both.
struct MatrixStack: Sendable, Hashable {
  let groups: Int
  /// The extents of the kernel; empty for a linear layer.
  let kernel: [Int]
  let rows: Int
  let columns: Int

  /// - Parameter shape: two extents or more, of which `groups` divides the first.
  init(shape: [Int], groups: Int = 1) {
    precondition(shape.count >= 2 && groups > 0 && shape[0] % groups == 0)
    self.groups = groups
    kernel = Array(shape[2...])
    rows = shape[0] / groups
    columns = shape[1]
  }

  /// The positions of the kernel.
  var positions: Int { kernel.reduce(1, *) }

  /// The number of matrices.
  var count: Int { groups * positions }

  /// The entries of all matrices.
  var entryCount: Int { count * rows * columns }

  /// The place in the tensor of an entry of the matrix at `index`, the positions of a group
  /// following each other.
  @inline(__always)
  func offset(matrix index: Int, row: Int, column: Int) -> Int {
    let (group, position) = index.quotientAndRemainder(dividingBy: positions)
    return ((group * rows + row) * columns + column) * positions + position
  }

  /// The matrix at `index` of a tensor in memory, row-major.
  func matrix(_ index: Int, of tensor: UnsafeRawPointer, elementByteCount size: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: rows * columns * size) { target, used in
      let target = UnsafeMutableRawBufferPointer(target)
      for row in 0..<rows {
        for column in 0..<columns {
          let source = tensor + offset(matrix: index, row: row, column: column) * size
          target.baseAddress?.advanced(by: (row * columns + column) * size)
            .copyMemory(from: source, byteCount: size)
        }
      }
      used = rows * columns * size
    }
  }
}
